// SPDX-License-Identifier: Apache-2.0
//
// Made by tools/types.mjs of what safeguard-server --generate openapi prints: not to be edited.
// Times are ms since 1970.

/** what a user may do */
export type Role = 'viewer' | 'operator' | 'admin' | 'auditor';

/** what was decided */
export type Outcome = 'denied' | 'would-deny' | 'audited' | 'allowed' | 'not-held' | 'other';

/** how a host is */
export type HostState = 'ok' | 'degraded' | 'silent' | 'cloned' | 'revoked' | 'retired';

/** what can be wrong with a host, as the server sees it */
export type Condition = 'silent' | 'cloned' | 'certificate-expired' | 'certificate-expiring' | 'unprotected' | 'degraded' | 'policy-refused' | 'clock' | 'losses' | 'unheard';

/** gone: its host was started anew since; unknown: no record of its launch; refused: it was not allowed to be */
export type ProcessState = 'running' | 'ended' | 'gone' | 'refused' | 'unknown';

/** away: the host does not ask for news and cannot be asked; late: it was asked and has not answered in time; failed: it says why it cannot */
export type LiveState = 'answered' | 'away' | 'late' | 'failed';

/** coming: asked for, and its rules are not in force; unknown: the host has not said */
export type IsolationState = 'off' | 'on' | 'coming' | 'unknown';

/** unlocked: a window is open; unknown: the host has not said */
export type DefenceState = 'locked' | 'unlocked' | 'off' | 'unknown';

/** policy: rules are enforced as they say; monitor: nothing is denied */
export type Mode = 'policy' | 'monitor';

/** what was done about it */
export type AlertStatus = 'new' | 'acknowledged' | 'resolved' | 'false-positive';

/** how far it is */
export type RolloutState = 'running' | 'paused' | 'done' | 'rolled-back';

/** names and values that tell hosts apart */
export type Labels = Record<string, string>;

/** what to ask for the next page with; null: there is none */
export type Cursor = string | null;

/** why it did not work */
export interface Error {
  error: ErrorBody;
}

export interface ErrorBody {
  /** a stable word for programs */
  code: string;
  /** what is wrong, for people */
  what: string;
  /** what would have been right */
  expected?: string;
  /** what to do about it */
  cure?: string;
  /** number of the request, as in the server's log */
  request?: string;
}

export interface Alive {
  ok: boolean;
}

export interface Login {
  user: string;
  password: string;
}

export interface LoginOnce {
  /** the code that the command line gave */
  code: string;
}

/** who is signed in */
export interface Session {
  user: string;
  roles: Role[];
  /** to be sent as X-CSRF-Token with every change; null for API tokens */
  csrf: string | null;
  /** the server's clock */
  time: number;
}

export interface PasswordChange {
  old: string;
  new: string;
}

export interface Overview {
  hosts: HostCounts;
  denials_24h: number;
  would_deny_24h: number;
  audited_24h: number;
  alerts: AlertCounts;
  /** records that were lost, where; as the hosts report since they started */
  losses: Losses;
  ingest: IngestRate;
  store: StoreSize;
}

export interface HostCounts {
  total: number;
  ok: number;
  degraded: number;
  silent: number;
  cloned: number;
  revoked: number;
}

export interface AlertCounts {
  new: number;
  acknowledged: number;
}

export interface Losses {
  /** between the kernel and the agent */
  agents: number;
  /** dropped on hosts while the server could not be reached */
  spool: number;
  /** numbers of streams that never came to this server, since it started */
  server: number;
}

export interface IngestRate {
  /** records a second, of the last minute */
  per_s: number;
}

export interface StoreSize {
  bytes: number;
  /** when the oldest record came */
  oldest_ms: number | null;
}

export interface Rollup {
  from: number;
  to: number;
  /** milliseconds */
  step: number;
  series: Series[];
  /** the time for counting was over: what is older is not all there */
  complete_from?: number;
}

export interface Series {
  key: string;
  label: string;
  /** one a step */
  points: number[];
}

export interface Top {
  items: TopItem[];
  /** the time for counting was over: what is older is not all there */
  complete_from?: number;
  /** there are very many keys: a count may be too small by that much, and what is rarer may be missing */
  error_max?: number;
}

export interface TopItem {
  key: string;
  label: string;
  count: number;
}

export interface Timeline {
  from: number;
  to: number;
  /** milliseconds */
  step: number;
  /** one a step: outcome and number */
  points: (Record<string, number>)[];
  /** the time for counting was over: what is older is not all there */
  complete_from?: number;
}

export interface Events {
  items: Event[];
  next: Cursor;
  /** the search ended before it had looked at everything */
  truncated: boolean;
}

/** the columns of a record */
export interface Event {
  id: string;
  host: string;
  host_name: string;
  /** when it happened */
  time: number;
  /** when the server got it */
  received: number;
  /** class_uid of OCSF */
  class: number;
  /** activity_id of OCSF */
  activity: number;
  /** severity_id of OCSF */
  severity: number;
  outcome: Outcome;
  /** how many equal ones it stands for */
  count: number;
  rule: string | null;
  policy: string | null;
  user: string | null;
  program: string | null;
  path: string | null;
  message: string | null;
  /** the record in OCSF, where it was asked for */
  record?: unknown;
}

/** a record with all that it says */
export interface EventDetail {
  id: string;
  host: string;
  host_name: string;
  time: number;
  received: number;
  class: number;
  activity: number;
  severity: number;
  outcome: Outcome;
  count: number;
  rule: string | null;
  policy: string | null;
  user: string | null;
  program: string | null;
  path: string | null;
  message: string | null;
  /** the record in OCSF; null when what came could not be read */
  record: unknown;
  /** what came, when it could not be read */
  raw?: string;
  /** the process and its ancestors, the oldest first */
  process_tree: TreeProcess[];
}

export interface TreeProcess {
  pid: number | null;
  name: string | null;
  path: string | null;
  uid?: string | null;
  user?: string | null;
  cmd_line?: string | null;
}

export interface ProcessLaunches {
  items: ProcessLaunch[];
  next: Cursor;
  /** the search ended before it had looked at everything */
  truncated: boolean;
}

/** an exec, or one that was refused */
export interface ProcessLaunch {
  /** of its record */
  id: string;
  time: number;
  outcome: Outcome;
  rule: string | null;
  /** of the process; of who tried, when it was refused */
  uid: string | null;
  pid: number | null;
  name: string | null;
  /** path */
  program: string | null;
  cmd_line: string | null;
  working_directory: string | null;
  /** that the program is to run */
  script: string | null;
  terminal: string | null;
  /** whom it runs as */
  user: string | null;
  /** who logged in */
  login_user: string | null;
  session: string | null;
  container: string | null;
  parent: TreeProcess | null;
  state: ProcessState;
  ended: number | null;
  exit_code: number | null;
}

/** a process, as its newest records have it */
export interface ProcessDetail {
  uid: string;
  host: string;
  host_name: string;
  pid: number | null;
  name: string | null;
  /** path */
  program: string | null;
  /** whom it runs as */
  user: string | null;
  /** uid of its parent */
  parent: string | null;
  /** who logged in */
  login_user: string | null;
  session: string | null;
  container: string | null;
  state: ProcessState;
  started: number | null;
  ended: number | null;
  exit_code: number | null;
  /** that ended it */
  signal: number | null;
  /** time of its newest record */
  last_seen: number | null;
  /** id of the record of its program's launch, the newest one */
  exec_record: string | null;
  /** id of the record of its end */
  end_record: string | null;
  /** id of its newest record */
  last_record: string | null;
  /** the process in OCSF, from the record that says most of it */
  process: unknown;
  /** the actor of that record: who logged in, and the session */
  actor: unknown;
  /** what that record says of the launch besides; null when it is about something else */
  unmapped: unknown;
  /** its records by outcome */
  counts: Record<string, number>;
  /** the time for looking was over: older records may say more, and count */
  truncated: boolean;
}

export interface ProcessTree {
  host: string;
  host_name: string;
  /** uid of the process that it is the tree of */
  process: string | null;
  /** those that started first come first */
  nodes: ProcessNode[];
  /** there are, or may be, more of them */
  truncated: boolean;
}

export interface ProcessNode {
  uid: string;
  /** uid of another node */
  parent: string | null;
  role: 'self' | 'ancestor' | 'descendant' | 'sibling' | 'running';
  pid: number | null;
  name: string | null;
  /** path */
  program: string | null;
  cmd_line: string | null;
  /** whom it runs as */
  user: string | null;
  started: number | null;
  ended: number | null;
  exit_code: number | null;
  state: ProcessState;
  /** that it met: denied, would have been denied, not held */
  denials: number;
}

/** how it was answered */
export interface LiveAnswer {
  state: LiveState;
  /** why there is no new answer */
  error: string | null;
  cure: string | null;
  /** when the host asked for news last */
  last_seen: number | null;
  /** when what is shown was answered; null: there is nothing to show */
  answered: number | null;
}

export interface LiveProcesses {
  host: string;
  host_name: string;
  live: LiveAnswer;
  nodes: LiveProcess[];
  /** there are more of them */
  truncated: boolean;
}

export interface LiveProcess {
  uid: string;
  /** uid of the nearest that lives of those above it */
  parent: string | null;
  pid: number | null;
  name: string | null;
  /** path */
  program: string | null;
  cmd_line: string | null;
  /** whom it runs as */
  user: string | null;
  started: number | null;
  /** who logged in */
  login_user: string | null;
  session: string | null;
  container: string | null;
  /** that brought the program */
  package: string | null;
  kernel_thread: boolean;
  /** its program has no name any more */
  deleted: boolean;
  /** its program is of another mount namespace */
  foreign: boolean;
}

export interface LiveScheduling {
  host: string;
  host_name: string;
  live: LiveAnswer;
  /** null: there is no answer */
  use: ProcessUses | null;
  /** of rules that schedule */
  scheduling: ScheduleState | null;
  /** at most 50 */
  rules: ScheduleRule[];
}

/** between two looks at a host */
export interface ProcessUses {
  interval_ms: number;
  /** there was no earlier look: rates are since each process started */
  since_start: boolean;
  /** of which rows has the first */
  processes: number;
  /** whether the kernel adds up how they are scheduled */
  scheduling: boolean;
  /** why it does not */
  error: string | null;
  cure: string | null;
  cpus: number;
  /** a second */
  switches: number;
  /** of all processes */
  delay: RunDelay;
  /** slot i of delays holds those below slot_ns × 2^i */
  slot_ns: number;
  /** waits for a processor, by how long they were */
  delays: number[];
  /** processes for which there was no room */
  uncounted: number;
  rows: ProcessUse[];
}

/** waits for a processor; percentiles are bounds */
export interface RunDelay {
  count: number;
  mean_ns: number;
  p95_ns: number;
  max_ns: number;
}

export interface ProcessUse {
  uid: string | null;
  pid: number | null;
  name: string | null;
  /** path */
  program: string | null;
  cmd_line: string | null;
  user: string | null;
  container: string | null;
  cgroup: string | null;
  ended: boolean;
  /** of one processor */
  cpu_permille: number;
  /** a second */
  read_bytes: number;
  /** a second */
  written_bytes: number;
  rss_bytes: number | null;
  threads: number | null;
  sched: ProcessSched | null;
}

export interface ProcessSched {
  /** a second */
  switches: number;
  /** a second */
  involuntary: number;
  /** of the time, for a processor; added over its threads */
  wait_permille: number;
  delay: RunDelay;
  /** of the time, why it was on no processor */
  off_permille: Record<string, number>;
}

/** what rules that schedule did */
export interface ScheduleState {
  rules: number;
  /** that have another nice value or class by a rule */
  processes: number;
  /** control groups that have other values by a rule, or were made for one */
  groups: number;
  /** execs that were held until the rule was applied */
  stopped: number;
  applied: number;
  failed: number;
  continued_late: number;
  not_stopped: number;
  unbooked: number;
  /** of the last failure */
  error: string | null;
  cure: string | null;
}

export interface ScheduleRule {
  file: string;
  line: number;
  /** cpu.weight */
  weight: number | null;
  /** of one processor: cpu.max */
  quota_permille: number | null;
  /** cpuset.cpus */
  cpus: string | null;
  /** io.weight */
  io_weight: number | null;
  nice: number | null;
  class: string | null;
  priority: number | null;
  io_class: string | null;
  /** values of groups are set in the control groups that it names */
  named_groups: boolean;
  /** that it names; at most 8 */
  groups: string[];
  /** the threaded group that its processes are put into otherwise */
  own_group: string | null;
  /** that have another nice value or class by it */
  processes: number;
  /** control groups that it changed or made */
  serving_groups: number;
}

/** of its lists the one that was asked for has something */
export interface LiveNetwork {
  host: string;
  host_name: string;
  live: LiveAnswer;
  /** false: there is no answer */
  answered: boolean;
  /** whether the host looks at that now */
  looks: boolean;
  /** why it does not */
  error: string | null;
  cure: string | null;
  /** rows that were left out */
  more: number;
  /** those that go on first, then those that ended last */
  flows: LiveFlow[];
  /** the latest first */
  questions: LiveQuestion[];
  /** most packets first */
  drops: LiveDrop[];
  edges: LiveEdge[];
}

/** a connection, a listener, or datagrams between two ends */
export interface LiveFlow {
  /** connect, accept, listen; begin: of datagrams */
  type: string;
  /** why; null: it goes on */
  ended: string | null;
  /** process.uid */
  process: string | null;
  pid: number | null;
  /** path, or name */
  program: string | null;
  user: string | null;
  container: string | null;
  /** of IP */
  protocol: number;
  /** the other end began */
  incoming: boolean;
  local: string | null;
  local_port: number;
  remote: string | null;
  remote_port: number;
  /** by which the other end was learnt */
  name: string | null;
  /** at the other end, where that is on this host, too */
  peer_program: string | null;
  begin: number | null;
  end: number | null;
  /** null: not known yet */
  bytes_out: number | null;
  bytes_in: number | null;
  /** round-trip time */
  rtt_us: number | null;
  /** segments */
  retransmits: number;
  error: string | null;
}

/** about a domain name */
export interface LiveQuestion {
  time: number | null;
  name: string;
  /** A, AAAA … */
  type: string;
  process: string | null;
  pid: number | null;
  program: string | null;
  container: string | null;
  /** that was asked */
  server: string | null;
  /** null: it has not answered */
  rcode: string | null;
  duration_us: number | null;
  /** addresses, at most 16 */
  answers: string[];
}

/** packets that the kernel dropped */
export interface LiveDrop {
  /** null: the kernel has none */
  reason: string | null;
  /** in the kernel */
  place: string | null;
  protocol: number;
  /** port; 1024: of 1024 to 32767, 32768: of those above; 0: none */
  service: number;
  packets: number;
  bytes: number;
  last: number | null;
  /** of the first one */
  source: string | null;
  destination: string | null;
}

/** who talks to whom, added up since the agent started */
export interface LiveEdge {
  program: string | null;
  /** at the other end, on this host */
  peer_program: string | null;
  name: string | null;
  /** address */
  peer: string | null;
  port: number;
  protocol: number;
  incoming: boolean;
  flows: number;
  failed: number;
  bytes_out: number;
  bytes_in: number;
  last: number | null;
}

export interface LiveDefence {
  host: string;
  host_name: string;
  live: LiveAnswer;
  /** null: there is no answer */
  defence: DefenceNow | null;
}

export interface DefenceNow {
  state: DefenceState;
  /** when the window ends */
  until: number | null;
  /** who opened it */
  by: string | null;
  /** that were refused since the agent started */
  attempts: number;
  /** what was put right again since then */
  repairs: number;
  /** there is one to unlock it with on the host itself */
  secret: boolean;
  /** of the kernel side that defend it */
  programs: number;
  /** what is not there */
  missing: string | null;
  /** as the kernel counts */
  refused: number;
  self_test: SelfTest;
}

/** all hooks refuse what the agent tries itself, and the records of it come back */
export interface SelfTest {
  /** of the last one */
  time: number | null;
  rounds: number;
  /** hooks that were seen not to deny */
  failing: number;
  /** why it cannot be done */
  error: string | null;
  cure: string | null;
}

export interface Hosts {
  items: Host[];
  next: Cursor;
}

export interface Host {
  id: string;
  name: string;
  state: HostState;
  /** why it is in this state */
  reason: string | null;
  /** what to do about it */
  cure: string | null;
  /** all that is wrong with it, as the server sees it */
  conditions: HostCondition[];
  labels: Labels;
  os: string;
  kernel: string;
  arch: string;
  /** of the agent */
  version: string;
  /** that it came from last */
  address: string | null;
  /** of its present boot */
  boot_id: string;
  last_seen: number | null;
  enrolled: number;
  /** of the newest that it was given */
  certificate_expires: number | null;
  /** how far its clock is ahead of the server's; negative: behind */
  clock_ms: number | null;
  bundle: HostBundle;
  defence: HostDefence;
  isolation: HostIsolation;
  denials_24h: number;
  /** of one processor, by the agent */
  cpu_permille: number | null;
  /** bytes of memory of the agent */
  rss: number | null;
}

/** which policies the host should have, and has */
export interface HostBundle {
  wanted: string | null;
  applied: string | null;
  state: 'none' | 'waiting' | 'applied' | 'failed';
  /** why the host refuses them */
  error: string | null;
}

/** of safeguard itself, as the host said last */
export interface HostDefence {
  state: DefenceState;
  /** when the window ends */
  until: number | null;
  /** who opened it */
  by: string | null;
  /** on safeguard, that were refused since the agent started */
  attempts: number;
  /** what was put right again since then */
  repairs: number;
  /** when all hooks were tried last */
  self_test: number | null;
  /** hooks that were seen not to deny */
  failing: number;
}

/** whether the host is cut off from everything but its server, as it said last */
export interface HostIsolation {
  state: IsolationState;
  since: number | null;
  /** when it ends by itself */
  until: number | null;
  /** who asked for it */
  by: string | null;
  reason: string | null;
  /** addresses that stay reachable */
  allow: string[];
}

export interface HostCondition {
  name: Condition;
  what: string;
  cure: string;
}

export interface HostDetail {
  host: Host;
  /** one a hook */
  health: HealthRow[];
  problems: Problem[];
  /** what the agent reports of itself */
  resources: Record<string, unknown>;
  /** what the agent could not keep */
  losses: Record<string, unknown>;
  policies: HostPolicy[];
  /** policies in force that lie on the host itself; at most 40 */
  own_policies: OwnPolicy[];
  /** of a cloned host: all that use its identity */
  rivals: Rival[];
}

/** a machine that uses the identity of a host */
export interface Rival {
  name: string;
  machine_id: string;
  boot_id: string;
  address: string | null;
  first_seen: number;
  last_seen: number;
}

export interface HealthRow {
  /** the hook */
  id: string;
  state: string;
  attach: string | null;
  /** when it was last seen to deny */
  proved_ms: number | null;
  reason: string | null;
  cure: string | null;
}

export interface Problem {
  what: string;
  cure?: string | null;
}

export interface OwnPolicy {
  file: string;
  mode: 'enforce' | 'monitor';
}

export interface HostPolicy {
  policy: string;
  version: number;
  mode: Mode;
  state: 'waiting' | 'applied' | 'failed';
}

export interface HostChange {
  /** all of them */
  labels: Labels;
}

export interface StateTable {
  table: string;
  checksum: string | null;
  rows: StateRow[];
}

export interface StateRow {
  key: string;
  value: unknown;
  changed: number;
}

export interface CommandNew {
  name: string;
  args?: Record<string, unknown>;
}

export interface Command {
  id: string;
  name: string;
  args: Record<string, unknown>;
  by: string;
  created: number;
  deadline: number;
  status: 'waiting' | 'sent' | 'done' | 'failed' | 'expired';
  result: unknown;
  error: string | null;
}

export interface Commands {
  items: Command[];
  next: Cursor;
}

export interface Strangers {
  items: Stranger[];
  next: Cursor;
}

/** a host with a certificate of this server's that the database does not know */
export interface Stranger {
  id: string;
  name: string;
  machine_id: string;
  os: string;
  address: string | null;
  first_seen: number;
  last_seen: number;
}

export interface StrangerAdopt {
  labels?: Labels;
}

export interface EnrolmentTokens {
  items: EnrolmentToken[];
}

export interface EnrolmentToken {
  id: string;
  created: number;
  expires: number | null;
  by: string;
  /** null: any number */
  uses_left: number | null;
  used: number;
  /** that hosts get */
  labels: Labels;
  comment?: string | null;
}

export interface EnrolmentTokenNew {
  /** how many hosts; default: 1, null: any number */
  uses?: number | null;
  /** milliseconds; default: one hour */
  expires_in?: number;
  labels?: Labels;
  comment?: string;
}

export interface EnrolmentTokenMade {
  token: EnrolmentToken;
  /** what an agent is given; shown this once */
  text: string;
  /** the command to run on a host */
  command: string;
}

export interface Policies {
  items: Policy[];
}

export interface Policy {
  /** file name, as 50-web.yaml */
  name: string;
  /** the newest */
  version: number;
  /** labels of the hosts that it is for; empty: all */
  selector: string;
  /** of the newest version */
  author: string;
  changed: number;
  comment: string;
  /** the one that runs */
  rollout: Rollout | null;
  hosts: PolicyCounts;
}

export interface PolicyCounts {
  /** hosts that the selector picks */
  selected: number;
  applied: number;
  waiting: number;
  failed: number;
}

export interface PolicyDetail {
  policy: Policy;
  /** of the newest version */
  text: string;
  check?: PolicyCheck;
}

export interface PolicyNew {
  name: string;
  /** YAML */
  text: string;
  selector?: string;
  comment?: string;
}

export interface PolicyWrite {
  text: string;
  comment?: string;
  /** the version that was changed: refused when there is a newer one */
  base: number;
}

export interface PolicyChange {
  selector: string;
}

export interface PolicyVersions {
  /** the newest first */
  items: PolicyVersion[];
}

export interface PolicyVersion {
  version: number;
  author: string;
  comment: string;
  created: number;
}

export interface PolicyVersionDetail {
  version: number;
  author: string;
  comment: string;
  created: number;
  text: string;
}

export interface PolicyHosts {
  items: PolicyHost[];
  next: Cursor;
}

export interface PolicyHost {
  host: string;
  name: string;
  /** that it should have */
  version: number | null;
  mode: Mode | null;
  state: 'waiting' | 'applied' | 'failed' | 'silent';
  /** when the host last proved that it denies */
  proved: number | null;
  reason: string | null;
}

export interface PolicyText {
  name: string;
  text: string;
}

export interface PolicyCheck {
  errors: number;
  warnings: number;
  diagnostics: Diagnostic[];
}

export interface Diagnostic {
  severity: 'error' | 'warning' | 'note';
  /** from 1; 0: of the whole file */
  line: number;
  /** from 1, in characters */
  column: number;
  /** characters that it is about */
  width: number;
  message: string;
  expected?: string | null;
  cure?: string | null;
  /** the line */
  source?: string | null;
}

export interface PolicyDryrun {
  name: string;
  text: string;
  /** default: 24 hours ago */
  from?: number;
  /** default: now */
  to?: number;
}

export interface PolicyDryrunResult {
  /** that were looked at */
  records: number;
  /** accesses that this policy denies */
  denied: number;
  allowed: number;
  audited: number;
  /** decided otherwise than then */
  changed: number;
  /** there were more records than are looked at */
  truncated: boolean;
  /** that would be denied most */
  programs: TopItem[];
  paths: TopItem[];
  samples: DryrunSample[];
}

export interface DryrunSample {
  event: string;
  time: number;
  host: string;
  program: string | null;
  path: string | null;
  was: Outcome;
  now: Outcome;
  /** that decides now */
  rule: string | null;
}

export interface Rollouts {
  items: Rollout[];
  next: Cursor;
}

export interface Rollout {
  id: string;
  policy: string;
  version: number;
  /** the version that hosts had; null: none */
  before: number | null;
  stages: Stage[];
  /** the current one, from 0 */
  stage: number;
  state: RolloutState;
  by: string;
  created: number;
  changed: number;
  /** of the current stage */
  hosts: PolicyCounts;
  /** the server stopped it, since hosts refuse the policy */
  stopped: RolloutStop | null;
}

export interface RolloutStop {
  /** hosts that refused it */
  refused: number;
  /** hosts that should have it */
  of: number;
  /** one of them */
  host: string;
  host_name: string;
  /** what it says */
  reason: string;
}

export interface Stage {
  /** per cent of the hosts */
  share: number;
  mode: Mode;
}

export interface RolloutNew {
  version: number;
  /** each of at least the share of the one before */
  stages: Stage[];
}

export interface AlertTimeline {
  /** a whole step */
  from: number;
  to: number;
  /** milliseconds */
  step: number;
  /** one a step: alerts that were seen for the first time */
  points: number[];
}

export interface Alerts {
  items: Alert[];
  next: Cursor;
}

export interface Alert {
  id: string;
  title: string;
  status: AlertStatus;
  /** severity_id of OCSF */
  severity: number;
  class: number;
  outcome: Outcome;
  host: string;
  host_name: string;
  rule: string | null;
  policy: string | null;
  program: string | null;
  user: string | null;
  /** of the newest record */
  path: string | null;
  count: number;
  first_seen: number;
  last_seen: number;
  owner: string | null;
  comments: number;
  /** of the host, where the alert is about that; null: about records */
  condition: Condition | null;
  /** what to do, where the alert is about the host */
  cure: string | null;
}

export interface AlertDetail {
  alert: Alert;
  /** comments and changes, the oldest first */
  history: AlertNote[];
  exception: ExceptionProposal | null;
}

export interface AlertNote {
  time: number;
  by: string;
  kind: 'comment' | 'status' | 'owner' | 'exception' | 'seen-again' | 'over';
  text: string;
}

export interface AlertChange {
  status?: AlertStatus;
  /** null: nobody */
  owner?: string | null;
}

export interface CommentNew {
  text: string;
}

export interface ExceptionNew {
  reason: string;
  /** how wide it is: this path by this program, all by this program, all by this user */
  scope: 'path' | 'program' | 'user';
}

export interface ExceptionProposal {
  policy: string;
  /** the policy with the exception */
  text: string;
  reason?: string;
}

export interface AlertsBulk {
  ids: string[];
  status?: AlertStatus;
  owner?: string | null;
}

export interface BulkResult {
  changed: number;
  /** ids that there are none of */
  missing: string[];
}

export interface Users {
  items: User[];
}

export interface User {
  name: string;
  roles: Role[];
  /** may sign in */
  enabled: boolean;
  /** false: signs in by codes that work once only */
  has_password: boolean;
  created: number;
  last_login: number | null;
}

export interface UserNew {
  name: string;
  roles: Role[];
  /** missing: one is made and shown this once */
  password?: string;
}

export interface UserMade {
  user: User;
  /** the one that was made */
  password: string | null;
}

export interface UserChange {
  roles?: Role[];
  password?: string;
  enabled?: boolean;
}

export interface Tokens {
  items: Token[];
}

export interface Token {
  id: string;
  name: string;
  /** whose it is */
  user: string;
  roles: Role[];
  created: number;
  expires: number | null;
  last_used: number | null;
}

export interface TokenNew {
  name: string;
  /** default: all that the user has */
  roles?: Role[];
  /** milliseconds; default: 90 days */
  expires_in?: number;
}

export interface TokenMade {
  token: Token;
  /** shown this once */
  text: string;
}

export interface Audit {
  items: AuditEntry[];
  next: Cursor;
}

export interface AuditEntry {
  id: number;
  time: number;
  actor: string;
  address: string | null;
  action: string;
  object: string | null;
  detail: unknown;
  /** of this row and of all before it; in exports */
  hash?: string;
}

export interface Channels {
  items: Channel[];
}

export interface Channel {
  id: string;
  name: string;
  kind: 'webhook' | 'syslog' | 'email';
  /** URL or address */
  target: string;
  /** at least */
  severity: number;
  enabled: boolean;
  has_secret: boolean;
  /** messages */
  sent: number;
  /** given up */
  failed: number;
  /** for which there was no room */
  dropped: number;
  /** the last try */
  last_sent: number | null;
  last_error: string | null;
}

export interface ChannelNew {
  name: string;
  kind: 'webhook' | 'syslog' | 'email';
  target: string;
  /** signs webhooks; never shown again */
  secret?: string;
  severity?: number;
  enabled?: boolean;
}

export interface ChannelChange {
  name?: string;
  target?: string;
  secret?: string;
  severity?: number;
  enabled?: boolean;
}

export interface ChannelTest {
  sent: boolean;
  error: string | null;
}

export interface Settings {
  items: Setting[];
}

export interface Setting {
  key: string;
  value: unknown;
  default: unknown;
  help: string;
  type: 'bool' | 'count' | 'bytes' | 'ms' | 'text';
  /** of a text: bytes */
  min: number;
  max: number;
}

export interface SettingsChange {
  /** null: the default */
  set: Record<string, unknown>;
}

export interface ServerHealth {
  version: string;
  started: number;
  state: 'ok' | 'degraded';
  problems: Problem[];
  /** of one processor */
  cpu_permille: number;
  /** bytes */
  rss: number;
  http: HttpHealth;
  ingest: IngestHealth;
  store: StoreHealth;
  /** of the server */
  certificate_expires: number | null;
  ca_expires: number | null;
}

export interface HttpHealth {
  connections: number;
  /** that have begun and are not yet in */
  coming: number;
  /** agents that wait for policies and commands */
  parked: number;
  /** clients of live views */
  events: number;
  /** since the start */
  requests: number;
  errors_4xx: number;
  errors_5xx: number;
  refused_busy: number;
  /** connections of an address that has as many as it may */
  refused_address: number;
  /** connections that took too long over something */
  timed_out: number;
}

export interface IngestHealth {
  /** since the start */
  batches: number;
  records: number;
  duplicates: number;
  /** numbers of streams that never came */
  missing: number;
  unreadable: number;
  /** batches that found the queue full or the store without room; agents send them again */
  refused: number;
  /** batches */
  waiting: number;
  /** records a second, of the last minute */
  per_s: number;
}

export interface StoreHealth {
  records: number;
  bytes: number;
  /** when the oldest record came */
  oldest_ms: number | null;
  /** on its file system */
  free_bytes: number | null;
}

export const events_params: Record<string, 'one' | 'list'> = {
  from: 'one',
  to: 'one',
  host: 'list',
  class: 'list',
  severity: 'one',
  outcome: 'list',
  rule: 'one',
  policy: 'one',
  user: 'one',
  program: 'one',
  path: 'one',
  q: 'one',
  process: 'list',
  address: 'list',
  port: 'list',
  domain: 'list',
  not_host: 'list',
  not_class: 'list',
  not_outcome: 'list',
  not_rule: 'list',
  not_policy: 'list',
  not_user: 'list',
  not_program: 'list',
  not_path: 'list',
  order: 'one',
  cursor: 'one',
  limit: 'one',
};

export const events_stream_params: Record<string, 'one' | 'list'> = {
  host: 'list',
  class: 'list',
  severity: 'one',
  outcome: 'list',
  rule: 'one',
  policy: 'one',
  user: 'one',
  program: 'one',
  path: 'one',
  q: 'one',
  process: 'list',
  address: 'list',
  port: 'list',
  domain: 'list',
  not_host: 'list',
  not_class: 'list',
  not_outcome: 'list',
  not_rule: 'list',
  not_policy: 'list',
  not_user: 'list',
  not_program: 'list',
  not_path: 'list',
  full: 'one',
};

export const events_export_params: Record<string, 'one' | 'list'> = {
  from: 'one',
  to: 'one',
  host: 'list',
  class: 'list',
  severity: 'one',
  outcome: 'list',
  rule: 'one',
  policy: 'one',
  user: 'one',
  program: 'one',
  path: 'one',
  q: 'one',
  process: 'list',
  address: 'list',
  port: 'list',
  domain: 'list',
  not_host: 'list',
  not_class: 'list',
  not_outcome: 'list',
  not_rule: 'list',
  not_policy: 'list',
  not_user: 'list',
  not_program: 'list',
  not_path: 'list',
};

export const events_timeline_params: Record<string, 'one' | 'list'> = {
  buckets: 'one',
  from: 'one',
  to: 'one',
  host: 'list',
  class: 'list',
  severity: 'one',
  outcome: 'list',
  rule: 'one',
  policy: 'one',
  user: 'one',
  program: 'one',
  path: 'one',
  q: 'one',
  process: 'list',
  address: 'list',
  port: 'list',
  domain: 'list',
  not_host: 'list',
  not_class: 'list',
  not_outcome: 'list',
  not_rule: 'list',
  not_policy: 'list',
  not_user: 'list',
  not_program: 'list',
  not_path: 'list',
};

export const host_processes_params: Record<string, 'one' | 'list'> = {
  from: 'one',
  to: 'one',
  program: 'one',
  user: 'one',
  login_user: 'one',
  session: 'one',
  container: 'one',
  parent: 'one',
  process: 'one',
  denied: 'one',
  q: 'one',
  cursor: 'one',
  limit: 'one',
};
