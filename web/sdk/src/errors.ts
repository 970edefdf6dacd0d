/* errors.ts — what can go wrong, as classes: `code` for programs, `message` for people, `hint` for
   what to do about it. Cancelling is no BrinkError: as with fetch(), the call rejects with the
   signal's reason. */

export type ErrorCode =
  | "invalid-argument"
  | "bad-input"
  | "unsupported"
  | "out-of-memory"
  | "device-failed"
  | "network"
  | "engine-died"
  | "disposed";

const hints: Record<ErrorCode, string> = {
  "invalid-argument": "Check the arguments of this call against its documentation.",
  "bad-input":
    "The file is damaged or not what its name says. Fetch it again and compare its hash with the publisher's.",
  unsupported:
    "This build cannot run that. `brink inspect` names every operator that a model needs and this engine lacks.",
  "out-of-memory":
    "Close other tabs, dispose of models that are not in use, or take a smaller or more strongly quantised model.",
  "device-failed": "Load the model again. If it keeps failing, choose the CPU.",
  network:
    "Check the address, the connection and that the page's content security policy allows it (connect-src).",
  "engine-died":
    "The engine's worker is gone and all its models with it: create a new engine. If it happens again, please report it.",
  disposed: "The object was disposed of before or during this call: create a new one.",
};

export class BrinkError extends Error {
  readonly code: ErrorCode;
  /** What a person or a program can do about it. */
  readonly hint: string;
  constructor(code: ErrorCode, message: string, hint: string = hints[code]) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.hint = hint;
  }
}

export class InvalidArgumentError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("invalid-argument", message, hint);
  }
}
/** A file or text cannot be read as what it should be, or a file of the model is missing. */
export class BadInputError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("bad-input", message, hint);
  }
}
export class UnsupportedError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("unsupported", message, hint);
  }
}
export class OutOfMemoryError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("out-of-memory", message, hint);
  }
}
export class DeviceError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("device-failed", message, hint);
  }
}
export class NetworkError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("network", message, hint);
  }
}
/** The worker ended or the engine trapped; the engine object is of no further use. */
export class EngineDiedError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("engine-died", message, hint);
  }
}
export class DisposedError extends BrinkError {
  constructor(message: string, hint?: string) {
    super("disposed", message, hint);
  }
}

const classes: Record<ErrorCode, new (message: string, hint?: string) => BrinkError> = {
  "invalid-argument": InvalidArgumentError,
  "bad-input": BadInputError,
  unsupported: UnsupportedError,
  "out-of-memory": OutOfMemoryError,
  "device-failed": DeviceError,
  network: NetworkError,
  "engine-died": EngineDiedError,
  disposed: DisposedError,
};

/** An error as it crosses from the worker: classes do not survive structured cloning. */
export interface WireError {
  code: ErrorCode | "aborted";
  message: string;
  hint?: string;
}

export function makeError(code: ErrorCode, message: string, hint?: string): BrinkError {
  return new classes[code](message, hint);
}
