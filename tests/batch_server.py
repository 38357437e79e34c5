"""OpenAI's files and batches on loopback, over real HTTP, with the ways in which they go wrong."""

import email.policy
import json
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.hostile_server import completion, honest


class BatchServer:
    """``expire_after``: so many requests are answered, then the batch expires. ``spoil``: fails every n-th request.

    ``messy``: output lines repeated and in reverse. ``drop``: calls that are done and whose answer is lost, by name.
    ``most_tokens``: a batch beyond so many enqueued characters fails with token_limit_exceeded. A batch ends when
    ``finish`` is called.
    """

    def __init__(self, *, expire_after=None, spoil=None, messy=False, drop=(), most_characters=None):
        self.expire_after, self.spoil, self.messy, self.drop = expire_after, spoil, messy, list(drop)
        self.most_characters = most_characters
        self.files, self.batches, self.calls = {}, {}, []

    def __enter__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                outer._answer(self, "GET")

            def do_POST(self):
                outer._answer(self, "POST")

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, handler, method):
        body = handler.rfile.read(int(handler.headers.get("content-length") or 0))
        path = handler.path.partition("?")[0].removeprefix("/v1/").split("/")
        name, found = self._route(method, path, body, handler.headers)
        self.calls.append(name)
        if name in self.drop:
            self.drop.remove(name)
            handler.close_connection = True
            handler.connection.close()
            return
        data = found if isinstance(found, bytes) else json.dumps(found).encode()
        handler.send_response(200)
        handler.send_header("content-type", "application/json")
        handler.send_header("content-length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _route(self, method, path, body, headers):
        if path[0] == "files":
            if method == "POST":
                return "upload", self._upload(body, headers)
            if len(path) == 3:
                return "content", self.files[path[1]][1]
            listed = [self._file(key) for key in reversed(self.files)]
            return "list files", {"object": "list", "data": listed, "has_more": False}
        if method == "POST" and len(path) == 1:
            return "create", self._create(json.loads(body))
        if method == "POST":
            self.finish(path[1], "cancelled", answered=1)
            return "cancel", self.batches[path[1]]
        if len(path) == 1:
            listed = list(reversed(self.batches.values()))
            return "list batches", {"object": "list", "data": listed, "has_more": False}
        return "retrieve", self.batches[path[1]]

    def _upload(self, body, headers):
        raw = b"content-type: " + headers["content-type"].encode() + b"\r\n\r\n" + body
        parts = list(BytesParser(policy=email.policy.HTTP).parsebytes(raw).iter_parts())
        part = next(p for p in parts if p.get_filename())
        key = f"file-{len(self.files)}"
        self.files[key] = part.get_filename(), part.get_payload(decode=True)
        return self._file(key)

    def _file(self, key):
        name, data = self.files[key]
        return {"id": key, "object": "file", "bytes": len(data), "created_at": 0, "filename": name, "purpose": "batch",
                "status": "processed"}  # fmt: skip

    def _create(self, asked):
        key = f"batch_{len(self.batches)}"
        batch = {"id": key, "object": "batch", "created_at": 0, "status": "in_progress", "output_file_id": None,
                 "error_file_id": None, "errors": None, **asked}  # fmt: skip
        waiting = sum(len(self.files[b["input_file_id"]][1]) for b in self.batches.values() if not b["output_file_id"]
                      and b["status"] == "in_progress")  # fmt: skip
        if (
            self.most_characters
            and waiting
            and waiting + len(self.files[asked["input_file_id"]][1]) > self.most_characters
        ):
            errors = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "enqueued too much"}]}
            batch |= {"status": "failed", "errors": errors}
        self.batches[key] = batch
        return batch

    def finish(self, key=None, status="completed", answered=None):
        """Answer a batch (or all that run); ``answered``: only so many."""
        for name in [key] if key else list(self.batches):
            batch = self.batches[name]
            if batch["status"] != "in_progress":
                continue
            lines = self.files[batch["input_file_id"]][1].decode().splitlines()
            most = len(lines) if answered is None else answered
            if self.expire_after is not None and most > self.expire_after:
                most, status = self.expire_after, "expired"
            good, bad = [], []
            for number, line in enumerate(lines):
                record = json.loads(line)
                if number >= most:
                    error = {"code": f"batch_{status}", "message": "not answered in time"}
                    bad.append({"custom_id": record["custom_id"], "response": None, "error": error})
                elif self.spoil and number % self.spoil == 0:
                    response = {"status_code": 500, "body": {"error": {"message": "the model fell over"}}}
                    bad.append({"custom_id": record["custom_id"], "response": response, "error": None})
                else:
                    response = {"status_code": 200, "body": completion(honest(record["body"]))}
                    good.append({"custom_id": record["custom_id"], "response": response, "error": None})
            if self.messy:
                good = good[::-1] + good[::2]
            for kind, records in (("output", good), ("error", bad)):
                if records:
                    file = f"{kind}-{name}"
                    self.files[file] = f"{file}.jsonl", "".join(json.dumps(r) + "\n" for r in records).encode()
                    batch[f"{kind}_file_id"] = file
            counts = {"total": len(lines), "completed": len(good), "failed": len(bad)}
            batch |= {"status": status, "request_counts": counts}
