/** Which files another user of this machine can reach. PostgreSQL refuses to run as root, so root has to ask. */
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

export interface UnprivilegedUser {
  name: string;
  uid: number;
  gid: number;
}

/** In order of preference: PostgreSQL's own user where a package made one, else the one that every system has. */
const CANDIDATES = ['postgres', 'nobody', 'daemon'];

/** An existing user without rights, for a program that will not run as root. Nothing is created. */
export function unprivilegedUser(): UnprivilegedUser | undefined {
  const users = readUsers();
  return CANDIDATES.map((name) => users.find((user) => user.name === name)).find((user) => user !== undefined);
}

function readUsers(): UnprivilegedUser[] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .filter((fields) => fields.length >= 4)
      .map(([name = '', , uid, gid]) => ({ name, uid: Number(uid), gid: Number(gid) }))
      .filter(({ uid, gid }) => Number.isInteger(uid) && uid > 0 && Number.isInteger(gid));
  } catch {
    return [];
  }
}

type Wanted = 'read' | 'run' | 'enter';
const BIT = { read: 0o4, run: 0o5, enter: 0o1 } as const;

/** May this user do that with the file, and enter every folder above it? By the permission bits; lists are not looked at. */
export function canReach(path: string, wanted: Wanted, user: Pick<UnprivilegedUser, 'uid' | 'gid'>): boolean {
  const allows = (target: string, bit: number): boolean => {
    const { mode, uid, gid } = statSync(target);
    const shift = uid === user.uid ? 6 : gid === user.gid ? 3 : 0;
    return ((mode >> shift) & bit) === bit;
  };
  try {
    if (!allows(path, BIT[wanted])) return false;
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      if (!allows(folder, BIT.enter)) return false;
      if (folder === dirname(folder)) return true;
    }
  } catch {
    return false;
  }
}

export function mayWrite(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
