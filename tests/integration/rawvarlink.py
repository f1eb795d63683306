"""A Varlink client of a few lines, which can also say what no decent client would."""

import json
import socket
import struct


class VarlinkError(Exception):
    def __init__(self, name, parameters):
        super().__init__("%s %s" % (name, json.dumps(parameters)))
        self.name = name
        self.parameters = parameters


class Closed(Exception):
    """The server hung up."""


class Varlink:
    """`connected`: a socket to use instead of a new connection."""

    def __init__(self, path, patience=15.0, evidence=None, connected=None):
        self.socket = connected or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if not connected:
            # Blocking, as programs are: with a timeout of Python's, a full queue of connections is an error at once.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(patience), 0))
            self.socket.connect(path)
        self.socket.settimeout(patience)
        self.buffer = b""
        self.evidence = evidence

    def close(self):
        self.socket.close()

    def send_raw(self, data):
        self.socket.sendall(data)

    def send(self, method, parameters=None, **flags):
        message = {"method": method, **flags}
        if parameters is not None:
            message["parameters"] = parameters
        self.send_raw(json.dumps(message).encode() + b"\0")

    def receive(self):
        """The next message as it came, parsed."""
        while b"\0" not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise Closed("the server closed the connection")
            self.buffer += data
        message, _, self.buffer = self.buffer.partition(b"\0")
        if self.evidence:
            self.evidence.add("a Varlink reply", message, {"access_token"})
        return json.loads(message)

    def reply(self):
        """The next reply's parameters; an error reply is raised."""
        message = self.receive()
        if "error" in message:
            raise VarlinkError(message["error"], message.get("parameters", {}))
        return message.get("parameters", {})

    def call(self, method, **parameters):
        self.send(method, parameters)
        return self.reply()

    def stream(self, method, **parameters):
        """A call with `more`; gives one reply after the other until the last."""
        self.send(method, parameters, more=True)
        while True:
            message = self.receive()
            if "error" in message:
                raise VarlinkError(message["error"], message.get("parameters", {}))
            yield message.get("parameters", {})
            if not message.get("continues"):
                return

    def at_end(self):
        """True when the server has closed the connection, whatever it still said."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            pass
        return True
