"""python -m brinktools: get, list, verify, path, convert. Exit status: 0 done, 1 a check failed,
2 bad usage, 3 an input cannot be read or is not supported."""

import argparse
import signal
import sys

import numpy as np

from . import models
from .convert import DEFAULT_CONTEXT, convert
from .decoder import PRECISIONS
from .errors import BrinkError, UsageError


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise UsageError(message)


def parser():
    top = Parser(prog="brinktools", description="Gets, converts and checks models for brink.")
    commands = top.add_subparsers(dest="command", required=True, parser_class=Parser)
    get = commands.add_parser("get", help="fetch, check and install models")
    get.add_argument("names", nargs="+", metavar="name", help="a name from `list`, or hub:org/name[@revision]")
    listing = commands.add_parser("list", help="the models that can be got")
    listing.add_argument("--json", action="store_true")
    verify = commands.add_parser("verify", help="compare installed files with their sums")
    verify.add_argument("name", nargs="?")
    path = commands.add_parser("path", help="the folder of an installed model")
    path.add_argument("name")
    for command in (get, listing, verify, path):
        command.add_argument("--root", help="where models are kept (default $BRINK_MODELS, or "
                                            "build/models)")
    make = commands.add_parser("convert", help="GGUF or safetensors to ONNX")
    make.add_argument("source", help="a .gguf file, or a folder with config.json and .safetensors")
    make.add_argument("out")
    make.add_argument("--precision", required=True, choices=list(PRECISIONS))
    make.add_argument("--adapter", help="a LoRA folder to merge into the weights")
    make.add_argument("--context", type=int, default=DEFAULT_CONTEXT,
                      help="longest context to make rotary tables for (default %(default)s, or "
                           "the model's own if shorter)")
    return top


def main(arguments=None):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # so that half-made folders are removed
    np.seterr(all="ignore")  # a damaged file's numbers are not worth a warning
    try:
        options = parser().parse_args(arguments)
        if options.command == "convert":
            if options.context < 1:
                raise UsageError("--context must be 1 or more")
            convert(options.source, options.out, options.precision, options.adapter,
                    options.context)
            return 0
        return getattr(models, f"command_{options.command}")(options)
    except UsageError as error:
        return _fail(error, 2)
    except BrinkError as error:
        return _fail(error, 3)
    except MemoryError:
        return _fail("out of memory", 4)
    except KeyboardInterrupt:
        return _fail("stopped", 3)


def _fail(error, status):
    print("brinktools: " + " ".join(str(error).split()), file=sys.stderr)
    return status
