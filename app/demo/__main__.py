"""`python -m app.demo load` and `python -m app.demo feed`, run by the supervisor as children of its own.

`load` prints the accounts as one line of JSON on its standard output; all else goes to standard error.
"""

import json
import sys
from dataclasses import replace

from app import logs
from app.config import Settings
from app.demo.feed import feed
from app.demo.load import load
from app.demo.play import StoryFailed
from app.demo.stage import StageError, say
from app.factory import create_app


def main(arguments: list[str]) -> int:
    if arguments not in (["load"], ["feed"]):
        say("python -m app.demo load | feed")
        return 2
    settings = Settings.from_env()
    logs.configure(replace(settings, log_level="WARNING") if arguments == ["load"] else settings)
    app = create_app(settings)
    with app.app_context():
        if arguments == ["feed"]:
            feed(settings)
            return 0
        try:
            answer = load(app, settings)
        except (StageError, StoryFailed) as error:
            say(f"The demo data was not loaded: {error}")
            return 1
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
