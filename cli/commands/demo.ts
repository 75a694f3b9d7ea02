import type { Command } from 'commander';
export function defineUp(_p: Command): void {}
export function defineDemo(_p: Command): void {}
