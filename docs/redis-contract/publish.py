#!/usr/bin/env python3
"""Publishes events to an application that uses nestjs-event-stream with Redis: Python's library only.

    python3 publish.py --port 6379 --type greeting news '{"text": "Hello"}'
    python3 publish.py --vectors vectors.json
"""

import argparse
import hashlib
import json
import pathlib
import re
import secrets
import socket

HERE = pathlib.Path(__file__).parent
RESERVED_TYPES = {
    *("gap", "exception", "ready", "caught-up", "run-end", "closed", "error", "open"),
    "$complete",
}
MAX_NAME_LENGTH = 1024
MAX_EVENT_BYTES = 1_048_576
MISSING = object()
TRACEPARENT = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class EventError(Exception):
    """`code` is BAD_TOPIC, BAD_EVENT, or BACKPLANE_UNAVAILABLE: Redis refused the event."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def well_formed(text):
    """Half a surrogate pair, which UTF-8 has no bytes for, becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def is_too_long(text):
    """Counted as JavaScript does, in UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) > 2 * MAX_NAME_LENGTH


def check_topics(topics):
    topics = topics if isinstance(topics, list) else [topics]
    for topic in topics:
        if not isinstance(topic, str) or topic == "" or well_formed(topic) != topic:
            raise EventError("BAD_TOPIC", f"A topic is a non-empty, well-formed string: {topic!r}")
        if is_too_long(topic):
            raise EventError("BAD_TOPIC", f"A topic has at most {MAX_NAME_LENGTH} characters")
        if topic.startswith("$"):
            raise EventError("BAD_TOPIC", f"Topics that begin with $ are the package's own: {topic!r}")
    if not topics:
        raise EventError("BAD_TOPIC", "At least one topic is needed")
    return list(dict.fromkeys(topics))


def fields_of(topics, event):
    """The header and the data of an entry, which are its fields `h` and `d`."""
    header = {"t": check_topics(topics)}
    if not event.keys() <= {"type", "key", "data"}:
        raise EventError("BAD_EVENT", f"An event has a type, a key and data: {list(event)}")
    kind, key, data = event.get("type"), event.get("key"), event.get("data", MISSING)
    if any(isinstance(name, str) and is_too_long(name) for name in (kind, key)):
        raise EventError("BAD_EVENT", f"A type or key has at most {MAX_NAME_LENGTH} characters")
    if kind is not None and not isinstance(kind, str):
        raise EventError("BAD_EVENT", f"An event's type is a string: {kind!r}")
    if kind:
        if "\n" in kind or "\r" in kind:
            raise EventError("BAD_EVENT", f"An event's type cannot hold a line break: {kind!r}")
        if kind in RESERVED_TYPES:
            raise EventError("BAD_EVENT", f"The event type {kind!r} is reserved")
        header["y"] = well_formed(kind)
    if key is not None:
        if not isinstance(key, str):
            raise EventError("BAD_EVENT", f"An event's key is a string: {key!r}")
        header["k"] = well_formed(key)
    if data is MISSING:
        raise EventError("BAD_EVENT", "An event needs data")
    if isinstance(data, str):
        header["s"] = 1
        text = well_formed(data)
    else:
        try:
            text = well_formed(to_json(data))
        except (TypeError, ValueError) as cause:
            raise EventError("BAD_EVENT", f"Data has to be what JSON can hold: {cause}") from cause
    if len(text.encode()) > MAX_EVENT_BYTES:
        raise EventError("BAD_EVENT", f"Data has at most {MAX_EVENT_BYTES} bytes")
    return header, text


def rules_of(rules):
    """`history.topics` of the instances as the script takes them: for a log that no instance has written to yet."""
    return to_json(
        [
            [
                rule["match"],
                rule.get("keepFor") or 0,
                rule.get("keepEvents") or 0,
                1 if rule.get("keepLatestPerKey") else 0,
            ]
            for rule in rules
        ]
    )


def to_json(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def call_of(key, topics, event, idempotency_key=None, rules=(), traceparent=None):
    """KEYS and ARGV of the script for one event. This publisher knows no place in the log."""
    header, data = fields_of(topics, event)
    if traceparent is not None and TRACEPARENT.fullmatch(traceparent):
        header["r"] = traceparent
    keys = [f"{{{key}}}:meta", f"{{{key}}}:log"]
    if idempotency_key is not None:
        keys.append(f"{{{key}}}:once:{idempotency_key}")
    digits = secrets.token_hex(3)[1:]
    bounds = ["50000", "0", "67108864"]  # only if no instance has ever said what to keep
    args = [digits, "", "0", "", *bounds, "300000", "2", "268435456", rules_of(rules)]
    named = "0" if idempotency_key is None else "1"
    return keys, [*args, named, to_json(header), data, ""]


class EventPublisher:
    def __init__(self, host="127.0.0.1", port=6379, key="nestjs-event-stream", rules=(), timeout=5.0):
        self.key = key
        self.rules = rules
        self.script = (HERE / "publish.lua").read_text("utf-8")
        self.sha = hashlib.sha1(self.script.encode()).hexdigest()
        self.socket = socket.create_connection((host, port), timeout)
        self.replies = self.socket.makefile("rb")

    def publish(self, topics, event, idempotency_key=None, traceparent=None):
        """The event's cursor. A timeout leaves open whether it was published: name it to repeat it."""
        keys, args = call_of(self.key, topics, event, idempotency_key, self.rules, traceparent)
        reply = self.command("EVALSHA", self.sha, str(len(keys)), *keys, *args)
        if isinstance(reply, RedisError) and str(reply).startswith("NOSCRIPT"):
            reply = self.command("EVAL", self.script, str(len(keys)), *keys, *args)
        if isinstance(reply, RedisError):
            raise EventError("BACKPLANE_UNAVAILABLE", f"Redis refused the event: {reply}")
        answer = reply[4][0]
        if isinstance(answer, list):
            raise EventError("BACKPLANE_UNAVAILABLE", f"Redis refused the event: {answer[0]}")
        return answer

    def command(self, *parts):
        encoded = [part.encode() for part in parts]
        bulks = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded)
        self.socket.sendall(b"*%d\r\n" % len(parts) + bulks)
        return self.read()

    def read(self):
        """One reply in RESP 2."""
        line = self.replies.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        length = int(rest)
        if length < 0:
            return None
        if kind == b"*":
            return [self.read() for _ in range(length)]
        return self.replies.read(length + 2)[:-2].decode()

    def close(self):
        self.replies.close()
        self.socket.close()


class RedisError(Exception):
    pass


def check_vectors(path):
    vectors = json.loads(pathlib.Path(path).read_text("utf-8"))
    if vectors["version"] != 1:
        raise SystemExit(f"This program is for version 1 of the contract, not {vectors['version']}")
    for case in vectors["published"]:
        key = case.get("key", vectors["defaults"]["key"])
        named, rules = case.get("idempotencyKey"), case.get("rules", ())
        keys, args = call_of(
            key, case["topics"], case["event"], named, rules, case.get("traceparent")
        )
        expected = [*case["args"], case["h"], case["d"], ""]
        if keys != case["keys"] or args[1:] != expected[1:]:
            raise SystemExit(f"{case['name']}: {keys} {args}")
    for case in vectors["refused"]:
        try:
            call_of("k", case["topics"], case["event"])
        except EventError as error:
            if error.code == case["code"]:
                continue
            raise SystemExit(f"{case['name']}: {error.code}") from error
        raise SystemExit(f"{case['name']}: not refused")
    print(f"{len(vectors['published']) + len(vectors['refused'])} vectors passed")


def main():
    parser = argparse.ArgumentParser(description="Publishes one event.")
    parser.add_argument("--vectors", help="check this file instead of publishing")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--key", default="nestjs-event-stream")
    parser.add_argument("--type")
    parser.add_argument("--idempotency-key")
    parser.add_argument("--rules", default="[]", help="history.topics of the instances, as JSON")
    parser.add_argument("topic", nargs="?")
    parser.add_argument("data", nargs="?", help="JSON")
    given = parser.parse_args()
    if given.vectors:
        return check_vectors(given.vectors)
    if given.data is None:
        parser.error("a topic and data are needed")
    publisher = EventPublisher(given.host, given.port, given.key, json.loads(given.rules))
    event = {"type": given.type, "data": json.loads(given.data)}
    print(publisher.publish(given.topic, event, given.idempotency_key))
    publisher.close()


if __name__ == "__main__":
    main()
