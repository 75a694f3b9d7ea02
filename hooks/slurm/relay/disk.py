"""Files that are whole whenever somebody reads them, also after a power cut."""
import json
import os


def write_whole(path, data):
    """Readers see the old file or the new one."""
    half = path + '.half'
    with open(half, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(half, path)
    sync_folder(os.path.dirname(path) or '.')


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path):
    """The object in it; None where there is none to be had."""
    try:
        with open(path, encoding='utf-8') as file:
            value = json.load(file)
        return value if isinstance(value, dict) else None
    except (OSError, ValueError):
        return None


def size_of(path):
    """0 for a file that is not there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
