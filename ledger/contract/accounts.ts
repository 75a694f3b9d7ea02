/** What money is put into and jobs are charged to. */
import type { Micro } from '../../domain/money';
import type { ExhaustionPolicy, RequeuePolicy } from '../../domain/policy';
import type { Instant } from '../../domain/time';
import type { Caller, Page, Paged } from './asking';
import type { Amounts, Balance, Fund, Limit, Statement } from './balance';

/** With its amounts at this moment. */
export interface Account extends Amounts {
  accountNo: number;
  name: string;
  title: string;
  description: string;
  unit: string;
  timeZone: string;
  status: 'active' | 'inactive' | 'suspended' | 'expired';
  startsAt: Instant;
  endsAt: Instant;
  parent?: string;
  subtreeLimit?: Micro;
  onExhaustion: ExhaustionPolicy;
  overdraftLimit: Micro;
  onRequeueShortfall: RequeuePolicy;
  holdMultiplier?: string;
  overspentAt?: Instant;
  createdAt: Instant;
  updatedAt: Instant;
  archivedAt?: Instant;
}

export interface AccountSettings {
  title: string;
  description: string;
  timeZone: string;
  status: 'active' | 'inactive' | 'suspended';
  startsAt: Instant;
  endsAt: Instant;
  parent: string | null;
  subtreeLimit: Micro | null;
  onExhaustion: ExhaustionPolicy;
  overdraftLimit: Micro;
  onRequeueShortfall: RequeuePolicy;
  /** Decimal string, e.g. '1.2'; null: the cluster's. */
  holdMultiplier: string | null;
  /** Deposits or withdraws the difference in the base fund (rulings 6). */
  budgetLimit: Micro;
}

export interface Accounts {
  /** `account_exists`, `account_not_found` (parent), `invalid_parent`. */
  create(
    request: { name: string; unit: string } & Pick<AccountSettings, 'title' | 'startsAt' | 'endsAt'> &
      Partial<AccountSettings>,
    caller: Caller,
  ): Promise<Account>;
  update(name: string, changes: Partial<AccountSettings>, caller: Caller): Promise<Account>;
  read(name: string): Promise<Account>;
  list(filter: { status?: string; parent?: string; archived?: boolean }, page: Page): Promise<Paged<Account>>;
  /** 409 `holds_open` while holds are open; the name stays taken. */
  archive(name: string, caller: Caller): Promise<void>;
  unarchive(name: string, caller: Caller): Promise<Account>;
  balance(name: string, at?: Instant): Promise<Balance>;
  statement(name: string, from: Instant, to: Instant): Promise<Statement>;
  funds(name: string): Promise<Fund[]>;
  limits(name: string): Promise<Limit[]>;
  /** Makes or changes the cap of a partition, a user ('*': every user), or a user in a partition. */
  setLimit(
    name: string,
    limit: { partition?: string; user?: string; limit: Micro; opensAt?: Instant; closesAt?: Instant },
    caller: Caller,
  ): Promise<Limit>;
  removeLimit(name: string, which: { partition?: string; user?: string }, caller: Caller): Promise<void>;
}
