/** What an installation has written, so that taking it back takes back that and nothing else. */
import { join } from 'node:path';
import { MANIFEST, onDisk, type Layout } from './layout';
import { textOf } from './files';

/** It goes on when install is run again, until something else is said. */
export interface Asked {
  cluster?: string;
  hook_url?: string;
  slurm_user?: string;
}

export interface Manifest {
  version: string;
  cluster: string;
  service: string;
  parts: string[];
  /** Digests of the files as they were written. */
  files: Record<string, string>;
  /** Folders that were not there before, the outer ones first. Undefined: the version that installed did not note them. */
  folders?: string[];
  /** Scripts of the site that were renamed. */
  moved: { from: string; to: string }[];
  /** API keys that were made. */
  keys: { key_id: string; name: string }[];
  slurm_conf: string;
  /** What install was told and could not have known. Undefined: the version that installed did not note it. */
  asked?: Asked;
}

export function readManifest(layout: Layout): Manifest | undefined {
  const text = textOf(onDisk(layout, join(layout.etc, MANIFEST)));
  return text === undefined ? undefined : (JSON.parse(text) as Manifest);
}
