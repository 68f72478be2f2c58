#!/usr/bin/env python3
"""An HTTP server that misbehaves on request.

    faultserver.py [--root DIR] [--rules FILE] [--tls CERT KEY] [--log FILE] [--until-eof]

Listens on a free port of the loopback addresses and prints its number as the first line. Behaviour comes from the
query string of the URL, or from the first line of FILE that fits:

    PATTERN COUNT BEHAVIOUR     e.g.  /manifests/* 2 status=503&retry-after=0

PATTERN is a shell pattern on the path, COUNT how many requests it serves (* for all), BEHAVIOUR a query string.
FILE is read again at every request, counts are kept. --until-eof: exit when standard input ends, so that no
server outlives its test. --log: one line a request: METHOD PATH STATUS RANGE.

The body: text=STRING, or size=N bytes of a pattern (variant v=N: byte i is (31 i + 17 (i >> 8) + v) mod 256), or the
file of that path below DIR (404 where there is none). /__stats answers "requests=N concurrent=N" (the most at once). CONNECT is answered 407.

    etag=S lm=S         validators; If-None-Match, If-Modified-Since and (with Range) If-Range are honoured
    times=K             everything below only for the first K requests of this URL (cookie key=S tells URLs apart)
    status=N            answer N with a short body; retry-after=S location=S go along
    loop=1              302 to this very URL
    echo=1              the body is the request as it came
    short=N             close after N bytes of a body that was announced whole
    reset=N             the same, by a reset
    chunked=1           chunked; cut=N: end after N bytes without the last chunk
    nolength=1          no Content-Length, the end is the closing; with short: cut without a trace
    longer=N            N bytes more than announced
    endless=1           a body without an end
    stall=N             N bytes of the body, then silence until the client leaves
    slow-headers=1      headers byte by byte, never complete
    trickle=MS          the body at a byte every MS milliseconds
    garbage=1           no HTTP at all
    flood=1             headers without an end
    encode=1            gzip where accepted; encode=force: also where not
    barrier=K           answer only when K requests wait here together (a minute at most)
    to a Range:         ignore-range=1 (200), bad-range=1 (206, other offset), other-etag=1, other-total=1, refuse-range=1
                        (416), star-range=1 (416 with the true length)
"""
import argparse
import fnmatch
import gzip
import http.server
import os
import select
import socket
import socketserver
import ssl
import struct
import sys
import threading
from urllib.parse import parse_qsl, unquote, urlsplit

lock = threading.Condition()
seen = {}
stats = {'requests': 0, 'now': 0, 'most': 0}
barriers = {}


def pattern(size, v):
    block = b''
    period = 65536
    if size:
        block = bytes((31 * i + 17 * (i >> 8) + v) & 0xff for i in range(min(size, period)))
    return (block * (size // period + 1))[:size]


class Gone(Exception):
    pass


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    opts = None

    def setup(self):
        if self.opts.tls:
            self.request.settimeout(60)
            self.request.do_handshake()
            self.request.settimeout(None)
        super().setup()

    def log_message(self, *args):
        pass

    def behaviour(self):
        url = urlsplit(self.path)
        b = dict(parse_qsl(url.query, keep_blank_values=True))
        if self.opts.rules and os.path.exists(self.opts.rules):
            with open(self.opts.rules, encoding='utf-8') as f:
                for line in f:
                    part = line.split()
                    if len(part) != 3 or line.startswith('#') or not fnmatch.fnmatch(unquote(url.path), part[0]):
                        continue
                    with lock:
                        n = seen[line] = seen.get(line, 0) + 1
                    if part[1] == '*' or n <= int(part[1]):
                        b.update(parse_qsl(part[2], keep_blank_values=True))
                        break
        if 'times' in b:
            with lock:
                n = seen[self.path] = seen.get(self.path, 0) + 1
            if n > int(b['times']):
                b = {k: b[k] for k in ('size', 'v', 'text', 'etag', 'lm', 'echo') if k in b}
        return url.path, b

    def content(self, path, b):
        if 'echo' in b:
            return ('%s\n%s' % (self.requestline, self.headers)).encode()
        if 'text' in b:
            return b['text'].encode()
        if 'size' in b:
            return pattern(int(b['size']), int(b.get('v', 0)))
        if self.opts.root:
            name = os.path.normpath('/' + unquote(path)).lstrip('/')
            try:
                with open(os.path.join(self.opts.root, name), 'rb') as f:
                    return f.read()
            except OSError:
                return None
        return None

    def answer(self, status, headers, body=b''):
        self.log(status)
        if status in (204, 304):
            body = b''
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if not any(n.lower() in ('content-length', 'transfer-encoding', 'connection') for n, _ in headers):
            self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log(self, status):
        if self.opts.log:
            with lock, open(self.opts.log, 'a', encoding='utf-8') as f:
                f.write('%s %s %d %s\n' % (self.command, self.path, status, self.headers.get('Range', '-')))

    def until_gone(self, seconds=30.0):
        """Wait for the client to close; True: it did."""
        ready, _, _ = select.select([self.connection], [], [], seconds)
        return bool(ready)

    def close_hard(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        self.close_connection = True
        raise Gone()

    def do_GET(self):
        with lock:
            stats['requests'] += 1
            stats['now'] += 1
            stats['most'] = max(stats['most'], stats['now'])
        try:
            self.serve()
        except (OSError, Gone):
            self.close_connection = True
        finally:
            with lock:
                stats['now'] -= 1

    do_HEAD = do_GET

    def do_CONNECT(self):
        self.answer(407, [('Proxy-Authenticate', 'Basic realm="x"')])

    def serve(self):
        path, b = self.behaviour()
        if path == '/__stats':
            with lock:
                text = 'requests=%d concurrent=%d\n' % (stats['requests'] - 1, stats['most'])
            return self.answer(200, [], text.encode())
        if 'barrier' in b:
            with lock:
                gate = barriers.setdefault(path, threading.Barrier(int(b['barrier'])))
            try:
                gate.wait(60)
            except threading.BrokenBarrierError:
                return self.answer(500, [], b'barrier')
        extra = [(h.title(), b[h]) for h in ('retry-after', 'location') if h in b]
        if 'loop' in b:
            return self.answer(302, [('Location', self.path)])
        if 'status' in b:
            return self.answer(int(b['status']), extra, b.get('text', 'status %s\n' % b['status']).encode())
        if 'slow-headers' in b:
            self.wfile.write(b'HTTP/1.1 200 OK\r\nX-Slow: ')
            while not self.until_gone(0.02):
                self.wfile.write(b'x')
            return self.close_hard()
        if 'garbage' in b:
            self.wfile.write(b'<html>\r\n\r\n')
            raise Gone()
        if 'flood' in b:
            self.wfile.write(b'HTTP/1.1 200 OK\r\n')
            while True:
                self.wfile.write(b'X-Flood: ' + b'x' * 1000 + b'\r\n')
        body = self.content(path, b)
        if body is None:
            return self.answer(404, [], b'<html><body>not found</body></html>')
        self.body(b, body, extra)

    def body(self, b, body, headers):
        etag, lm = b.get('etag'), b.get('lm')
        headers += [('ETag', etag)] if etag else []
        headers += [('Last-Modified', lm)] if lm else []
        if (etag and self.headers.get('If-None-Match') == etag) or \
                (lm and not etag and self.headers.get('If-Modified-Since') == lm):
            return self.answer(304, headers + [('Connection', 'keep-alive')])
        status, start = 200, 0
        want = self.headers.get('Range', '')
        if want.startswith('bytes=') and 'ignore-range' not in b:
            guard = self.headers.get('If-Range')
            start = int(want[6:].split('-')[0])
            if 'refuse-range' in b:
                return self.answer(416, headers)
            if guard is not None and guard not in (etag, lm) and 'other-etag' not in b and 'bad-range' not in b:
                start = 0
            elif start >= len(body) or 'star-range' in b:
                return self.answer(416, headers + [('Content-Range', 'bytes */%d' % len(body))])
            else:
                status = 206
        if status == 206:
            shift = 1 if 'bad-range' in b else 0
            total = len(body) + (1 if 'other-total' in b else 0)
            if 'other-etag' in b:
                headers = [(n, v) for n, v in headers if n != 'ETag'] + [('ETag', '"other"')]
            headers.append(('Content-Range', 'bytes %d-%d/%d' % (start + shift, len(body) - 1 + shift, total)))
            body = body[start:]
        if 'encode' in b and ('gzip' in self.headers.get('Accept-Encoding', '') or b['encode'] == 'force'):
            body = gzip.compress(body, mtime=0)
            headers.append(('Content-Encoding', 'gzip'))
        self.send(b, status, headers, body)

    def send(self, b, status, headers, body):
        if 'chunked' in b:
            headers.append(('Transfer-Encoding', 'chunked'))
        elif 'nolength' in b or 'endless' in b:
            headers.append(('Connection', 'close'))
        else:
            headers.append(('Content-Length', str(len(body))))
        self.answer(status, headers)
        if 'chunked' in b:
            part = body[:int(b['cut'])] if 'cut' in b else body
            self.wfile.write(b'%x\r\n%s\r\n' % (len(part), part))
            if 'cut' in b:
                raise Gone()
            self.wfile.write(b'0\r\n\r\n')
        elif 'endless' in b:
            while True:
                self.wfile.write(b'endless ' * 8192)
        elif 'short' in b:
            self.wfile.write(body[:int(b['short'])])
            raise Gone()
        elif 'reset' in b:
            self.wfile.write(body[:int(b['reset'])])
            self.wfile.flush()
            # a reset overtakes what the client has not read: let it answer by leaving, or wait a little
            self.until_gone(0.1)
            self.close_hard()
        elif 'stall' in b:
            self.wfile.write(body[:int(b['stall'])])
            self.until_gone()
            raise Gone()
        elif 'trickle' in b:
            for i in range(len(body)):
                self.wfile.write(body[i:i + 1])
                if self.until_gone(int(b['trickle']) / 1000):
                    raise Gone()
        else:
            self.wfile.write(body + b'+' * int(b.get('longer', 0)))
            if 'longer' in b or 'nolength' in b:
                raise Gone()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that left, or refused our certificate


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument('--root')
    ap.add_argument('--rules')
    ap.add_argument('--tls', nargs=2, metavar=('CERT', 'KEY'))
    ap.add_argument('--log')
    ap.add_argument('--until-eof', action='store_true')
    opts = ap.parse_args()
    Handler.opts = opts
    server = Server(('127.0.0.1', 0), Handler)
    if opts.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*opts.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(server.server_address[1], flush=True)
    if opts.until_eof:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while sys.stdin.buffer.read(4096):
            pass
        os._exit(0)
    server.serve_forever()


if __name__ == '__main__':
    try:
        main()
    except KeyboardInterrupt:
        pass
