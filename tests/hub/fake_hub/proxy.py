"""A proxy of HTTP: requests are passed on, CONNECT becomes a tunnel."""

import http.client
import select
import socket
import urllib.parse

import server

OF_THIS_HOP = {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "content-length", "host"}


class Handler(server.Handler):
    place = "proxy"

    def route(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        connection = http.client.HTTPConnection(url.netloc)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_THIS_HOP}
        connection.request(self.command, url.path + ("?" + url.query if url.query else ""), self.body, headers)
        answer = connection.getresponse()
        passed_on = {name: value for name, value in answer.getheaders() if name.lower() not in OF_THIS_HOP}
        if self.command == "HEAD":
            passed_on["Content-Length"] = answer.headers["Content-Length"]
        self.answer(answer.status, answer.read(), passed_on)

    def do_CONNECT(self) -> None:
        self.world.requests.append({"server": self.place, "method": self.command, "path": self.path, "query": "",
                                    "authorization": self.headers.get("Authorization", ""), "range": "",
                                    "port": self.client_address[1]})
        host, _, port = self.path.partition(":")
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            ends = {self.connection: other, other: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    content = end.recv(1 << 16)
                    if not content:
                        self.close_connection = True
                        return
                    ends[end].sendall(content)
