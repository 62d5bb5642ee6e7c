"""The store of large files: signed addresses that must not see a token."""

import server
from server import Refused


class Handler(server.Handler):
    place = "store"

    def route(self) -> None:
        if "Authorization" in self.headers:
            raise Refused(400, "Only one auth mechanism allowed")
        kind, *rest = self.raw_path.strip("/").split("/")
        if self.query.get("signature") != "valid":
            raise Refused(403, "Request has expired")
        if kind == "file" and self.command == "GET":
            self.answer_range((self.world.blobs / rest[0]).read_bytes(), {"ETag": f'"{rest[0]}"'})
        elif kind == "upload" and self.command == "PUT":
            self.take(rest)
        else:
            raise Refused(404, "no such object")

    def take(self, rest: list[str]) -> None:
        if "Content-Length" not in self.headers:
            raise Refused(411, "You must provide the Content-Length HTTP header.")
        if len(rest) == 1:
            if self.world.keep(self.body) != rest[0]:
                raise Refused(400, "the content is not what was announced")
            return self.answer(200)
        folder = self.world.folder / "parts" / rest[0]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / rest[1]).write_bytes(self.body)
        self.answer(200, headers={"ETag": f'"part-{rest[1]}"'})
