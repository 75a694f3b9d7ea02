/** What a site chooses between for its accounts and clusters: the same words in SQL, over HTTP and on the command line. */

/** When an account's money is out: refuse, or hold on as far as its overdraft limit. */
export const EXHAUSTION_POLICIES = ['deny', 'overdraft'] as const;
export type ExhaustionPolicy = (typeof EXHAUSTION_POLICIES)[number];

/** When a requeued job cannot be held in full again (rulings 11). */
export const REQUEUE_POLICIES = ['run_on', 'hold_job', 'cancel'] as const;
export type RequeuePolicy = (typeof REQUEUE_POLICIES)[number];

/** What hooks do when Bursar cannot be reached: let jobs in, refuse them, or let them in up to an amount an hour. */
export const FAILURE_POLICIES = ['open', 'closed', 'open_to_limit'] as const;
export type FailurePolicy = (typeof FAILURE_POLICIES)[number];

/** Settled at the end from rates, or once a cost is reported (rulings 13). */
export const COST_SOURCES = ['usage', 'reported'] as const;
export type CostSource = (typeof COST_SOURCES)[number];

/** What happens at admission to what has no price (rulings 23). */
export const UNPRICED_POLICIES = ['deny', 'allow'] as const;
export type UnpricedPolicy = (typeof UNPRICED_POLICIES)[number];

/** What prices while no rate has been entered. */
export const PRICE_PRESETS = ['asbb-compat', 'none'] as const;
export type PricePreset = (typeof PRICE_PRESETS)[number];

/** What a run gets back that its user has not ended: nothing, its charge, or what it cost since it last saved its state. */
export const REFUND_POLICIES = ['none', 'whole', 'lost_time'] as const;
export type RefundPolicy = (typeof REFUND_POLICIES)[number];

/** Why a run gets something back by itself: a node failed or did not boot, another job took its place, an administrator ended it. */
export const REFUND_REASONS = ['node_fail', 'boot_fail', 'preempted', 'admin_cancel'] as const;
export type RefundReason = (typeof REFUND_REASONS)[number];

/** Where the advisor does not answer: refuse; go on with the cluster's own prices; the same, and admit what has none. */
export const FAILURE_MODES = ['STRICT', 'GRACEFUL', 'PERMISSIVE'] as const;
export type FailureMode = (typeof FAILURE_MODES)[number];

/** What then estimates on clusters without rates: ASBB's two formulas, or nothing. */
export const ADVISOR_FALLBACKS = ['SIMPLE', 'STATIC', 'NONE'] as const;
export type AdvisorFallback = (typeof ADVISOR_FALLBACKS)[number];

/** Are the decisions about a cluster's jobs applied, or only made and recorded? */
export const ENFORCEMENTS = ['enforce', 'shadow'] as const;
export type Enforcement = (typeof ENFORCEMENTS)[number];

/** What becomes of a submission that names no account, nor has its user a default one. */
export const WITHOUT_ACCOUNT = ['deny', 'exempt'] as const;
export type WithoutAccount = (typeof WITHOUT_ACCOUNT)[number];

/**
 * What became of a submission that no hold was placed for. It was let in: exempt by the site's policy, though it would have been
 * denied (shadow), or by a hook while the service was away. Or it was not, whatever the name `admitted` says that this has in the
 * ledger and on the wire: denied without a decision, or refused by a hook alone (closed). A job of those ran in spite of that.
 */
export const ADMISSIONS = ['exempt', 'shadow', 'open', 'open_to_limit', 'denied', 'closed'] as const;
export type AdmissionKind = (typeof ADMISSIONS)[number];
