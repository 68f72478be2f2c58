"""The readers of our lines, as they read: which bytes of the file they see, which lines they take, and what stands on the screen
then. Written from the programs' own rules (SplashBuddy 1.x, DEPNotify, swiftDialog 2 and 3); each line that we write must be
one that its reader takes: anything else is an assertion."""
import os
import re


class Follower:
    """Bytes of a file as they come, by the descriptor that was opened at the start."""

    def __init__(self, path, last_lines=None, at_end=False):
        self.file = open(path, 'rb')
        if at_end:
            self.file.seek(0, os.SEEK_END)
        elif last_lines is not None:                # tail -f
            data = self.file.read()
            self.file.seek(len(data) - len(b''.join(data.splitlines(True)[-last_lines:])))

    def lines(self):
        if os.fstat(self.file.fileno()).st_size < self.file.tell():
            self.cut()
        chunk = self.file.read()
        assert not chunk or chunk.endswith(b'\n'), 'half a line: no reader keeps it'
        text = chunk.decode('utf-8')                # what is not UTF-8 would be dropped whole
        assert '\r' not in text
        return text.split('\n')[:-1]

    def cut(self):
        self.file.seek(0, os.SEEK_END)              # tail re-seeks to the new end

    def close(self):
        self.file.close()


class SplashBuddy:
    """Opened once, from byte 0; the last line of a package wins. A file that was cut stays unread until it is longer again."""
    FORMS = (('installing', re.compile(r'(?<=Installing )([a-zA-Z0-9._ ]*)-([a-zA-Z0-9._]*).pkg...$')),
             ('failed', re.compile(r'(?<=Installation failed. The installer reported: installer: Package name is )'
                                   r'([a-zA-Z0-9._ ]*)-([a-zA-Z0-9._]*)$')),
             ('success', re.compile(r'(?<=Successfully installed )([a-zA-Z0-9._ ]*)-([a-zA-Z0-9._]*).pkg')))

    def __init__(self, path):
        self.follower, self.rows = Follower(path), {}
        self.follower.cut = lambda: None

    def poll(self):
        for line in self.follower.lines():
            hits = [(state, m) for state, form in self.FORMS for m in [form.search(line)] if m]
            assert len(hits) == 1, 'SplashBuddy takes this line for %d things: %r' % (len(hits), line)
            state, m = hits[0]
            assert m.group(1) and m.group(1) == m.group(1).strip() and m.group(2), line
            self.rows[m.group(1)] = state
        return self

    def close(self):
        self.follower.close()


class DEPNotify:
    """tail -f: the last ten lines, then what comes, by descriptor."""
    VERBS = {'DeterminateManual:': r'[1-9]\d*', 'DeterminateManualStep:': r'[1-9]\d*', 'DeterminateOffReset:': '',
             'ContinueButton:': r'\S.*', 'ContinueButtonRestart:': r'\S.*'}

    def __init__(self, path):
        self.follower, self.label, self.max, self.value, self.button = Follower(path, last_lines=10), None, None, 0, None

    def poll(self):
        for line in self.follower.lines():
            word, _, rest = line.partition(' ')
            assert word in ('Status:', 'Command:') and rest.strip(), 'DEPNotify does not take %r' % line
            assert word + ' ' not in rest, 'DEPNotify would take words out of %r' % line
            if word == 'Status:':
                self.label = rest
                continue
            verb, _, argument = rest.partition(' ')
            assert verb in self.VERBS and re.fullmatch(self.VERBS[verb], argument), 'DEPNotify knows no %r' % line
            self.button = None                      # any command resets the pending button
            if verb == 'DeterminateManual:':
                self.max = int(argument)
            elif verb == 'DeterminateManualStep:':
                self.value += int(argument)
            elif verb == 'DeterminateOffReset:':
                self.max, self.value = None, 0
            else:
                self.button = (verb, argument)
        return self

    def close(self):
        self.follower.close()


class Dialog:
    """swiftDialog's list. On its start it deletes the file and makes it anew; a file that it may not delete it cuts, or leaves.
    Reading nothing, it opens the path again and reads all of it again."""
    WORDS = {'wait', 'success', 'fail', 'error', 'pending'}

    def __init__(self, path, start='delete'):
        self.path, self.rows, self.progress, self.text, self.button = path, {}, None, None, False
        if start == 'delete':
            os.unlink(path)
            open(path, 'w').close()
            os.chmod(path, 0o666)
        elif start == 'cut':
            os.truncate(path, 0)
        self.follower = Follower(path, at_end=True)

    def poll(self):
        lines = self.follower.lines()
        if not lines and (not os.path.exists(self.path) or
                          os.stat(self.path).st_ino != os.fstat(self.follower.file.fileno()).st_ino):
            self.follower.close()
            if not os.path.exists(self.path):
                open(self.path, 'w').close()
            self.follower = Follower(self.path)
            lines = self.follower.lines()
        for line in lines:
            self.take(line)
        return self

    def take(self, line):
        verb, _, argument = line.partition(' ')
        assert verb == verb.lower() and argument, 'swiftDialog does not take %r' % line
        if verb == 'listitem:':
            self.item(argument, line)
        elif verb == 'progress:':
            assert re.fullmatch(r'\d+|complete', argument), line
            self.progress = argument
        elif verb == 'progresstext:':
            self.text = argument
        elif verb == 'button1:':
            assert argument == 'enable', line
            self.button = True
        else:
            assert verb == 'button1text:', 'swiftDialog knows no %r' % line

    def item(self, argument, line):
        got = {}
        for segment in argument.split(','):
            pieces = segment.strip().split(': ')
            assert len(pieces) == 2 and pieces[1], 'this would crash swiftDialog, or be cut: %r' % line
            got[pieces[0].lower()] = pieces[1]
        assert not re.search(r'[{}]|<br>|\\n', argument), line
        assert set(got) <= {'index', 'status', 'statustext', 'progress'} and got['index'].isdigit(), line
        if 'progress' in got:
            assert 0 <= int(got['progress']) <= 100, line
        else:
            assert got['status'] in self.WORDS, line
        self.rows[int(got['index'])] = got.get('status', 'progress')

    def close(self):
        self.follower.close()


class Trigger:
    """swiftDialog's Inspect mode, presets 4 to 6: from the end of its trigger file, which either side may have made."""
    LINE = re.compile(r'(success|failure|warning|update_message):([a-z0-9-]{1,64}):(.+)|progress:([a-z0-9-]{1,64}):(100|[1-9]?\d)')
    SHOWN = {'success': 'success', 'failure': 'failed'}

    def __init__(self, path):
        open(path, 'a').close()
        self.follower, self.rows = Follower(path, at_end=True), {}

    def poll(self):
        for line in self.follower.lines():
            m = self.LINE.fullmatch(line)
            assert m, 'a trigger file has no %r' % line
            self.rows[m.group(2) or m.group(4)] = self.SHOWN.get(m.group(1), m.group(1) or 'progress')
        return self

    def close(self):
        self.follower.close()


class Inspect:
    """swiftDialog's Inspect mode, presets 1 to 3: from the end of a file that must be there, by descriptor."""
    LINE = re.compile(r'item:([a-z0-9-]{1,64}):(pending|downloading|installing|success|completed|failed|error)(?::(.+))?')

    def __init__(self, path):
        self.follower, self.rows = Follower(path, at_end=True), {}

    def poll(self):
        for line in self.follower.lines():
            m = self.LINE.fullmatch(line)
            assert m, 'Inspect does not take %r' % line
            self.rows[m.group(1)] = m.group(2)
        return self

    def close(self):
        self.follower.close()
