"""Links within the tree, as a host that renders Markdown follows them: a file or folder beside the page, and in a page the
heading whose slug is behind the '#'. What leads elsewhere (https:, mailto:) is not followed."""
import os
import re
import urllib.parse


def lines(text):
    """(number, line) outside of fenced code, with `code` in a line blanked."""
    fence = None
    for n, line in enumerate(text.splitlines(), 1):
        mark = re.match(r'\s*(```+|~~~+)', line)
        if mark and fence is None:
            fence = mark.group(1)[:3]
        elif mark and mark.group(1).startswith(fence):
            fence = None
        elif fence is None:
            yield n, re.sub(r'`[^`]*`', lambda m: 'x' * len(m.group()), line)


def headings(text):
    """The slugs of a page: small letters, digits, '-' and '_'; spaces are '-'; the second of one name gets -1."""
    seen, fence = {}, False
    for line in text.splitlines():
        if re.match(r'\s*(```|~~~)', line):
            fence = not fence
        m = re.match(r'#{1,6}\s+(.*?)\s*#*$', line)
        if not m or fence:
            continue
        words = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', m.group(1)).lower()
        slug = re.sub(r'[^\w\- ]', '', words).replace(' ', '-')
        seen[slug] = seen.get(slug, -1) + 1
        yield slug if seen[slug] == 0 else '%s-%d' % (slug, seen[slug])


def links(text):
    """(number, target) of inline links and of definitions."""
    for n, line in lines(text):
        for target in re.findall(r'\]\(\s*<?([^)\s>]+)', line) + re.findall(r'^\s*\[[^\]]+\]:\s*<?([^\s>]+)', line):
            yield n, target


def complaints(path, read):
    """About the links of one page; read(path) gives a file's text."""
    for n, target in links(read(path)):
        if re.match(r'[a-z][a-z0-9+.-]*:', target):
            continue
        file, _, anchor = urllib.parse.unquote(target).partition('#')
        to = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if file.startswith('/') or to.startswith('..'):
            yield '%s:%d: %s leads out of the tree' % (path, n, target)
        elif not os.path.exists(to):
            yield '%s:%d: %s is not there' % (path, n, target)
        elif anchor and not (to.endswith('.md') and anchor in headings(read(to))):
            yield '%s:%d: %s has no heading %s' % (path, n, to, anchor)


def self_test():
    """What the checks above must find, and must not: yields what goes wrong."""
    pages = {'README.md': '# One thing: `a b`\n## Two\n## Two\n```\n# no\n[x](gone.md)\n```\n[a](#one-thing-a-b) [b](#two-1) `[c](d)`\n'
                          '[d](README.md#two) [e](https://x) <!-- -->\n[f](gone.md)\n[g](#no) [h](/etc/hosts) [i](../x)\n[j]: gone.txt\n'}
    found = [c.split(': ')[0].split(':')[1] for c in complaints('README.md', pages.__getitem__)]
    if found != ['10', '11', '11', '11', '12']:
        yield 'links: the check of links does not find what it should: %s' % found
