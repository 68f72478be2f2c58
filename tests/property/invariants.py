"""What must hold of every decision, whatever the repository. Each function yields sentences; none: it holds."""
import collections

from model import ABSENT, Model, as_read, compare, nfc, split, strings, strings_or_one, trim

LISTS = ('featured_items', 'managed_installs', 'managed_updates', 'optional_installs', 'problem_items', 'processed_installs',
         'processed_uninstalls', 'removals')


def name_of(entry):
    return nfc(entry if isinstance(entry, str) else entry['name'])


def version_of(entry):
    return entry.get('version_to_install', entry.get('installed_version', ''))


def dictionaries(items):
    return [i for i in items if isinstance(i, dict) and isinstance(i.get('name'), str) and i['name']]


def meant(reference, names):
    """The names that a requirement or an update may mean: by the rule for versions, or word for word, as updates and
    dependents are looked up: "A-3.1-2" is A in version 3.1-2 there."""
    text = nfc(reference.rsplit('/', 1)[-1])
    return {split(text)[0]} | {n for n in names if text == n or text.startswith(n + '-')}


class Look:
    """One decision and where it came from."""

    def __init__(self, scene, client, info, said):
        self.scene, self.client, self.info, self.said = scene, client, info, said
        self.items = {}  # name -> its pkginfos in all catalogs that may be searched
        for c in sorted(self.catalogs()):
            for i in dictionaries(scene['catalogs'].get(c, [])):
                self.items.setdefault(nfc(i['name']), []).append(i)

    def mentions(self, key):
        """All that any manifest within reach says under key, conditions aside."""
        found, seen = [], set()

        def visit(dict_):
            found.extend(strings(dict_, key))
            for inner in dict_.get('conditional_items') or []:
                if isinstance(inner, dict):
                    visit(inner)
            for name in strings(dict_, 'included_manifests'):
                if name in self.scene['manifests'] and name not in seen:
                    seen.add(name)
                    visit(self.scene['manifests'][name])

        seen.add(self.client)
        visit(self.scene['manifests'][self.client])
        if self.scene['local'] and key != 'catalogs':
            found.extend(strings(self.scene['local'], key))
        return found

    def catalogs(self):
        return set(self.mentions('catalogs'))

    def links(self):
        """name -> [(kind, name)]: what it requires, and what updates it."""
        links = collections.defaultdict(set)
        for name, all_ in self.items.items():
            for i in all_:
                for r in strings_or_one(i, 'requires'):
                    links[name] |= {('requires', n) for n in meant(r, self.items)}
                for r in strings_or_one(i, 'update_for'):
                    for n in meant(r, self.items):
                        links[n].add(('updates', name))
        return links


def shape(look):
    if sorted(look.info) != sorted(LISTS):
        yield 'keys: %s' % sorted(look.info)
        return
    for e in look.info['managed_installs']:
        for key in ('name', 'display_name', 'description', 'version_to_install', 'installer_item', 'installer_item_size',
                    'installed_size'):
            if key not in e:
                yield 'managed_installs: %s has no %s' % (e.get('name'), key)
        if e.get('installed') is not False:
            yield 'managed_installs: %s is installed' % e.get('name')
    for e in look.info['removals']:
        if e.get('installed') is not True or 'uninstall_method' not in e:
            yield 'removals: %s is not installed, or has no method' % e.get('name')
    for e in look.info['problem_items']:
        if not e.get('note') or 'installer_item' in e:
            yield 'problem_items: %s has no note, or can be installed' % e.get('name')


def may_repeat(look, name):
    """Does a way lead from name over its requirements and at least one update back to it?"""
    links, seen = look.links(), set()
    todo = [(to, False) for kind, to in links[name] if kind == 'requires']
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        here, updated = at
        if here == name:
            if updated:
                return True
            continue
        todo += [(to, updated or kind == 'updates') for kind, to in links[here]]
    return False


def once(look):
    info = look.info
    twice = [k for k, n in collections.Counter((name_of(e), version_of(e)) for e in info['managed_installs']).items() if n > 1]
    for name, version in twice:
        if not may_repeat(look, name):
            yield 'managed_installs: %s %s stands twice, and no update of a requirement requires it' % (name, version)
    for key in ('removals', 'processed_uninstalls', 'managed_updates', 'featured_items', 'processed_installs', 'optional_installs'):
        for name, n in collections.Counter(name_of(e) for e in info[key]).items():
            if n == 1 or (key == 'processed_installs' and repeats(look, name)):
                continue
            # Munki looks for the entry as written among the names that are offered: A-1 is not found there.
            if key == 'optional_installs' and any(split(nfc(m.rsplit('/', 1)[-1])) != (nfc(m.rsplit('/', 1)[-1]), '') and
                                                  split(nfc(m.rsplit('/', 1)[-1]))[0] == name for m in look.mentions(key)):
                continue
            yield '%s: %s stands %d times' % (key, name, n)
    for i, e in enumerate(info['problem_items']):
        if e in info['problem_items'][:i]:
            yield 'problem_items: an equal entry for %s stands twice' % e['name']


def repeats(look, entry):
    """processed_installs: what is looked at while it is looked at is noted twice, too."""
    links, seen = look.links(), set()
    name = split(entry)[0]
    todo = [to for _, to in links[name]]
    while todo:
        here = todo.pop()
        if here == name:
            return True
        if here not in seen:
            seen.add(here)
            todo += [to for _, to in links[here]]
    return False


def order(look):
    """A requirement is installed before what requires it, or is there already."""
    machine = Model(look.scene, look.client, [])
    before = []
    for e in look.info['managed_installs']:
        for r in strings_or_one(e, 'requires'):
            name, version = split(nfc(r.rsplit('/', 1)[-1]))
            if any(n == name and (not version or compare(v, version) >= 0) for n, v in before):
                continue
            if any(machine.state(i) != ABSENT for i in map(as_read, look.items.get(name, [])) if i):
                continue
            yield 'managed_installs: %s %s comes before %s, which it requires' % (e['name'], version_of(e), r)
        before.append((name_of(e), e['version_to_install']))


def origin(look):
    """Every item is one of the manifests' catalogs, and applies there."""
    for key in ('managed_installs', 'optional_installs', 'removals', 'problem_items'):
        for e in look.info[key]:
            known = look.items.get(name_of(e), [])
            version = version_of(e)
            if not known or (version and trim(version) not in [trim(str(i.get('version'))) for i in known]):
                yield '%s: %s %s is in none of the catalogs %s' % (key, e['name'], version, sorted(look.catalogs()))


def asked_for(look):
    """Nobody is in a list whom no manifest, requirement or update leads to."""
    links, reach = look.links(), set()
    keys = ['managed_installs', 'managed_updates', 'optional_installs', 'default_installs']
    todo = [split(nfc(m.rsplit('/', 1)[-1]))[0] for k in keys for m in look.mentions(k)]
    todo += [split(nfc(m))[0] for m in strings(look.scene['selfserve'], 'managed_installs')]
    while todo:
        here = todo.pop()
        if here not in reach:
            reach.add(here)
            todo += [to for _, to in links[here]]
    for key in ('managed_installs', 'problem_items'):
        for e in look.info[key]:
            if name_of(e) not in reach:
                yield '%s: nothing asks for %s' % (key, e['name'])


def apart(look):
    """What is removed is neither installed nor required by what is installed; but for what managed_updates brings, which
    a later wish may remove (the run then leaves that to the next one)."""
    gone = {name_of(e) for e in look.info['removals']}
    links, updated = look.links(), set()
    todo = [split(nfc(m))[0] for m in look.info['managed_updates']]
    while todo:
        here = todo.pop()
        if here not in updated:
            updated.add(here)
            todo += [to for _, to in links[here]]
    for e in look.info['managed_installs']:
        if name_of(e) in updated:
            continue
        if name_of(e) in gone:
            yield '%s is to be removed and to be installed' % e['name']
        for r in strings_or_one(e, 'requires'):
            if split(nfc(r.rsplit('/', 1)[-1]))[0] in gone:
                yield '%s is to be removed, and %s, which requires it, to be installed' % (r, e['name'])


def sentences(look):
    """Everything that is said is said once."""
    for line, n in collections.Counter(look.said).items():
        if n > 1:
            yield 'said %d times: %s' % (n, line)


ALL = (shape, once, order, origin, asked_for, apart, sentences)


def relatives(scene, name):
    """The names whose decision may hang on the item: all that requirements, updates and shared packages lead to,
    in either direction."""
    near = collections.defaultdict(set)
    names = {nfc(i['name']) for items in scene['catalogs'].values() for i in dictionaries(items)}
    for items in scene['catalogs'].values():
        for i in dictionaries(items):
            mine = nfc(i['name'])
            others = [n for k in ('requires', 'update_for') for r in strings_or_one(i, k) for n in meant(r, names)]
            receipts = i.get('receipts') if isinstance(i.get('receipts'), list) else []
            others += ['package ' + str(r.get('packageid')) for r in receipts if isinstance(r, dict)]
            others.append(split(mine)[0])  # Office-2019 is read as Office in version 2019
            for other in others:
                near[mine].add(other)
                near[other].add(mine)
    found, todo = set(), [name]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo += near[here]
    return found


def outside(info, names):
    """The decision about everything but names."""
    return {k: [e for e in v if split(name_of(e))[0] not in names and name_of(e) not in names] for k, v in info.items()}


def differences(one, other, what):
    for key in sorted(set(one) | set(other)):
        a, b = one.get(key), other.get(key)
        if a == b:
            continue
        left, right = [(name_of(e), '' if isinstance(e, str) else version_of(e)) for e in a or []], \
            [(name_of(e), '' if isinstance(e, str) else version_of(e)) for e in b or []]
        if left != right:
            yield '%s: %s: %s, and %s' % (what, key, left, right)
            continue
        for x, y in zip(a, b):
            for k in sorted(set(x) | set(y)) if isinstance(x, dict) else []:
                if x.get(k) != y.get(k):
                    yield '%s: %s: %s: %s: %r, and %r' % (what, key, name_of(x), k, x.get(k), y.get(k))
