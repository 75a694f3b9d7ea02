/** The configuration of a test cluster: Slurm on one machine, several slurmd under one name each. */

export interface Ports {
  slurmctld: number;
  slurmdbd: number;
  mariadb: number;
  slurmrestd: number;
  c1: number;
  c2: number;
  g1: number;
  g2: number;
}

export interface Place {
  /** The cluster's name. */
  name: string;
  host: string;
  folder: string;
  ports: Ports;
  password: string;
}

/** Two nodes without GPUs, two with four each. */
export const NODES = ['c1', 'c2', 'g1', 'g2'] as const;
export type NodeName = (typeof NODES)[number];

/**
 * Without DefMemPerCPU every job takes a whole node; nodes that claim more CPUs than the machine has need config_overrides;
 * without bf_interval the parts of a heterogeneous job wait 30 s for each other; a requeued job waits until its credential has expired,
 * which would be 120 s.
 */
export const slurmConf = ({ name, host, folder, ports }: Place, nodes: readonly NodeName[], extra: string): string => `
ClusterName=${name}
SlurmctldHost=${host}(127.0.0.1)
SlurmUser=slurm
SlurmctldPort=${ports.slurmctld}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
AuthType=auth/munge
AuthInfo=socket=${folder}/munge/munge.socket,cred_expire=10
CredType=cred/munge
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=${folder}/state/jwt_hs256.key
StateSaveLocation=${folder}/state/ctld
SlurmdSpoolDir=${folder}/slurmd/%n
SlurmctldPidFile=${folder}/state/slurmctld.pid
SlurmdPidFile=${folder}/slurmd/%n.pid
SlurmctldLogFile=${folder}/log/slurmctld.log
SlurmdLogFile=${folder}/log/slurmd-%n.log
SlurmctldDebug=info
SlurmdDebug=info
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
MpiDefault=none
MailProg=/bin/true
ReturnToService=2
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,bf_interval=2,sched_min_interval=0
GresTypes=gpu
MinJobAge=300
KillWait=2
SlurmdTimeout=20
MessageTimeout=10
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort=${ports.slurmdbd}
AccountingStoragePass=${folder}/munge/munge.socket
AccountingStorageEnforce=associations
AccountingStorageTRES=gres/gpu,gres/gpu:a100
AccountingStoreFlags=job_comment
${nodes.map((node) => `NodeName=${node} NodeAddr=127.0.0.1 Port=${ports[node]} CPUs=8 RealMemory=8000${node.startsWith('g') ? ' Gres=gpu:a100:4' : ''} State=UNKNOWN`).join('\n')}
${partition('cpu', nodes, 'c', 'Default=YES DefaultTime=10 MaxTime=120 State=UP')}
${partition('gpu', nodes, 'g', 'DefaultTime=10 MaxTime=240 State=UP')}
${extra}
`;

function partition(name: string, nodes: readonly NodeName[], prefix: string, rest: string): string {
  const members = nodes.filter((node) => node.startsWith(prefix));
  return members.length === 0 ? '' : `PartitionName=${name} Nodes=${members.join(',')} ${rest}`;
}

/** Every GPU wants a file of its own. That it is a device is asked only where cgroups keep others from it. */
export const gresConf = ({ folder }: Place, nodes: readonly NodeName[]): string =>
  nodes
    .filter((node) => node.startsWith('g'))
    .map((node) => `NodeName=${node} Name=gpu Type=a100 File=${folder}/gpu/gpu[0-3]\n`)
    .join('') || '\n';

export const slurmdbdConf = ({ folder, ports, password }: Place): string => `
AuthType=auth/munge
AuthInfo=socket=${folder}/munge/munge.socket
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key=${folder}/state/jwt_hs256.key
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort=${ports.slurmdbd}
SlurmUser=slurm
LogFile=${folder}/log/slurmdbd.log
PidFile=${folder}/state/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort=${ports.mariadb}
StorageUser=slurm
StoragePass=${password}
StorageLoc=slurm_acct_db
`;

/** Loses the last second in a power cut, which no test plays; a SIGKILL loses nothing. */
export const mariadbConf = ({ folder, ports }: Place): string => `
[mariadbd]
datadir=${folder}/mariadb/data
tmpdir=${folder}/mariadb
socket=${folder}/mariadb/socket
pid-file=${folder}/mariadb/pid
bind-address=127.0.0.1
port=${ports.mariadb}
skip-log-bin
innodb_buffer_pool_size=64M
innodb_log_file_size=32M
innodb_flush_log_at_trx_commit=0
innodb_lock_wait_timeout=900
`;
