#!/usr/bin/python3
"""get_token.py CREDENTIAL: one request to the API, with the token that purserd gives."""
import json, os, socket, sys, urllib.error, urllib.request


def get_token(**parameters):
    with socket.socket(socket.AF_UNIX) as purser:
        purser.connect(os.environ.get("PURSER_SOCKET", "/run/purser/purser.sock"))
        purser.sendall(json.dumps({"method": "io.purser.Tokens.GetToken", "parameters": parameters}).encode() + b"\0")
        answer = b""
        while not answer.endswith(b"\0"):
            answer += purser.recv(65536) or sys.exit("purserd hung up")
    reply = json.loads(answer[:-1])
    return reply["parameters"] if "error" not in reply else sys.exit("%s: %s" % (reply["error"], reply["parameters"]))


def ask(bundle, query):
    headers = {header["name"]: header["value"] for header in bundle["headers"]}
    request = urllib.request.Request(bundle["api_url"], json.dumps({"query": query}).encode(),
                                     {"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(request) as response:
        return response.read().decode()


bundle = get_token(credential=sys.argv[1])
try:
    print(ask(bundle, "{ account { id name } }"))
except urllib.error.HTTPError as error:
    if error.code != 401:
        raise
    bundle = get_token(credential=sys.argv[1], rejected=bundle["access_token"])
    print(ask(bundle, "{ account { id name } }"))
