"""What the programs showed to anybody, and the search for secrets in it."""


class Evidence:
    """Everything that the programs showed to anybody, kept to be searched for secrets when the test is over."""

    def __init__(self):
        self.shown = []
        self.files = []
        self.directories = []
        self.planted = {}

    def add(self, where, data, may_show=()):
        self.shown.append((where, data.encode() if isinstance(data, str) else data, set(may_show)))

    def everything(self):
        yield from self.shown
        for path in self.files:
            if path.exists():
                yield str(path), path.read_bytes(), set()
        for directory in self.directories:
            for path in directory.rglob("*"):
                if path.is_file():
                    yield str(path), path.read_bytes(), set()

    def find(self, secrets):
        """Gives what was found as (where, kind) without the secret itself."""
        needles = [(kind, part) for source in (secrets, self.planted) for kind, values in source.items()
                   for value in values for part in _parts(value)]
        found = []
        for where, data, may_show in self.everything():
            for kind, needle in needles:
                if kind not in may_show and needle in data:
                    found.append((where, kind))
        return sorted(set(found))


def _parts(secret):
    """A secret, and the ends of it, which a shortened line would still show."""
    data = secret.encode()
    parts = {data}
    if len(data) >= 32:
        parts.add(data[-16:])
        if not data.startswith(b"eyJ"):
            parts.add(data[:16])
    return parts
