"""The arguments that the peers' sides have in common."""

import argparse


def side_options(*places):
    parser = argparse.ArgumentParser()
    for place in (*places, "model"):
        parser.add_argument(place)
    parser.add_argument("--prompt", type=int, default=512, help="tokens of the timed prefill")
    parser.add_argument("--short", type=int, default=128, help="tokens before the timed decode")
    parser.add_argument("--tokens", type=int, default=256, help="tokens of the timed decode")
    parser.add_argument("--repeat", type=int, default=2, help="runs that count, after one that doesn't")
    parser.add_argument("--capture", action="store_true", help="onnxruntime: graph capture")
    options = parser.parse_args()
    options.context = max(options.prompt, options.short + options.tokens) + 64
    return options
