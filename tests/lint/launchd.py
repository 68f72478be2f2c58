"""What launchd.plist(5) knows: the keys and the types of their values. launchd itself says nothing about a key that it does
not know, nor about a value of another type; the job then just does not do what was meant."""
import plistlib

STRINGS, SOCKET = [str], dict
TEXTS = {str: str}
KEEP_ALIVE = {'SuccessfulExit': bool, 'NetworkState': bool, 'PathState': {str: bool}, 'OtherJobEnabled': {str: bool},
              'Crashed': bool, 'AfterInitialDemand': bool}
SOCKETS = {str: {'SockType': str, 'SockPassive': bool, 'SockNodeName': str, 'SockServiceName': str, 'SockFamily': str,
                 'SockProtocol': str, 'SockPathName': str, 'SecureSocketWithKey': str, 'SockPathOwner': int,
                 'SockPathGroup': int, 'SockPathMode': int, 'Bonjour': (bool, str, STRINGS), 'MulticastGroup': str}}
CALENDAR = {'Minute': int, 'Hour': int, 'Day': int, 'Weekday': int, 'Month': int}
LIMITS = {'Core': int, 'CPU': int, 'Data': int, 'FileSize': int, 'MemoryLock': int, 'NumberOfFiles': int,
          'NumberOfProcesses': int, 'ResidentSetSize': int, 'Stack': int}
KEYS = {
    'Label': str, 'Disabled': bool, 'UserName': str, 'GroupName': str, 'inetdCompatibility': {'Wait': bool},
    'LimitLoadToHosts': STRINGS, 'LimitLoadFromHosts': STRINGS, 'LimitLoadToSessionType': (str, STRINGS),
    'LimitLoadToHardware': {str: STRINGS}, 'LimitLoadFromHardware': {str: STRINGS}, 'Program': str, 'BundleProgram': str,
    'ProgramArguments': STRINGS, 'EnableGlobbing': bool, 'EnableTransactions': bool, 'EnablePressuredExit': bool,
    'OnDemand': bool, 'ServiceIPC': bool, 'KeepAlive': (bool, KEEP_ALIVE), 'RunAtLoad': bool, 'RootDirectory': str,
    'WorkingDirectory': str, 'EnvironmentVariables': TEXTS, 'Umask': (int, str), 'TimeOut': int, 'ExitTimeOut': int,
    'ThrottleInterval': int, 'InitGroups': bool, 'WatchPaths': STRINGS, 'QueueDirectories': STRINGS, 'StartOnMount': bool,
    'StartInterval': int, 'StartCalendarInterval': (CALENDAR, [CALENDAR]), 'StandardInPath': str, 'StandardOutPath': str,
    'StandardErrorPath': str, 'Debug': bool, 'WaitForDebugger': bool, 'SoftResourceLimits': LIMITS,
    'HardResourceLimits': LIMITS, 'Nice': int, 'ProcessType': str, 'AbandonProcessGroup': bool, 'LowPriorityIO': bool,
    'LowPriorityBackgroundIO': bool, 'MaterializeDatalessFiles': bool, 'LaunchOnlyOnce': bool,
    'MachServices': {str: (bool, {'ResetAtClose': bool, 'HideUntilCheckIn': bool})}, 'Sockets': SOCKETS, 'LaunchEvents': dict,
    'HopefullyExitsFirst': bool, 'HopefullyExitsLast': bool, 'SessionCreate': bool, 'LegacyTimers': bool,
    'AssociatedBundleIdentifiers': (str, STRINGS),
}
WORDS = {'ProcessType': {'Background', 'Standard', 'Adaptive', 'Interactive'},
         'LimitLoadToSessionType': {'Aqua', 'LoginWindow', 'Background', 'StandardIO', 'System'}}
GONE = {'KeepAlive.NetworkState': 'ignored since OS X 10.10', 'OnDemand': 'KeepAlive since 10.5', 'ServiceIPC': 'ignored',
        'TimeOut': 'ignored', 'LowPriorityIO': 'LowPriorityBackgroundIO'}


def wrong(value, form, at):
    """Complaints about a value that should have that form."""
    if isinstance(form, tuple):
        tries = [list(wrong(value, f, at)) for f in form]
        if all(tries):
            yield from min(tries, key=len)
    elif isinstance(form, list):
        if not isinstance(value, list):
            yield '%s: an array is needed' % at
        else:
            for i, v in enumerate(value):
                yield from wrong(v, form[0], '%s[%d]' % (at, i))
    elif isinstance(form, dict):
        if not isinstance(value, dict):
            yield '%s: a dictionary is needed' % at
            return
        for k, v in value.items():
            name = '%s.%s' % (at, k) if at else k
            if name in GONE:
                yield '%s: %s' % (name, GONE[name])
            if k in form or str in form:
                yield from wrong(v, form.get(k, form.get(str)), name)
            else:
                yield '%s: launchd knows no such key' % name
    elif type(value) is not form and not (form is dict and isinstance(value, dict)):
        yield '%s: %s is needed, found %s' % (at, form.__name__, type(value).__name__)


def complaints(text, label):
    """About a job, as text, that should have that label."""
    try:
        job = plistlib.loads(text.encode())
    except Exception as e:
        yield 'no property list: %s' % e
        return
    yield from wrong(job, KEYS, '')
    for key, words in WORDS.items():
        for word in [job[key]] if isinstance(job.get(key), str) else job.get(key, []):
            if word not in words:
                yield '%s: %s is none of its words' % (key, word)
    if job.get('Label') != label:
        yield 'Label: %s is needed, as the file is called' % label
    program = job.get('Program') or (job.get('ProgramArguments') or [''])[0]
    if not program.startswith('/'):
        yield 'the program needs an absolute path'
    for key in ('WatchPaths', 'QueueDirectories'):
        for path in job.get(key, []):
            if not path.startswith('/') or path.startswith(('/var/', '/etc/', '/tmp/', '/private/tmp/')):
                yield '%s: %s: an absolute path without links, outside what all may write' % (key, path)
