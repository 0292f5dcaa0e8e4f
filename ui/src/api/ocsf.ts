// SPDX-License-Identifier: Apache-2.0
//
// The parts of an OCSF record that are shown. Records come from hosts: any of it may be missing.

export interface OcsfProcess {
  pid?: number;
  uid?: string;
  name?: string;
  path?: string;
  cmd_line?: string;
  created_time?: number;
  file?: { path?: string; name?: string; is_deleted?: boolean };
  user?: { name?: string; uid?: string };
  group?: { name?: string; uid?: string };
  auid?: number;
  container?: { uid?: string; runtime?: string; orchestrator?: string; pod_uuid?: string };
  parent_process?: OcsfProcess;
  ancestry?: OcsfProcess[];
}

export interface OcsfRecord {
  activity_id?: number;
  class_uid?: number;
  severity_id?: number;
  time?: number;
  start_time?: number;
  end_time?: number;
  count?: number;
  message?: string;
  status_code?: string;
  device?: { hostname?: string; uid?: string; os?: { name?: string } };
  policy?: { name?: string; uid?: string };
  actor?: {
    user?: { name?: string; uid?: string };
    session?: { uid?: string; issuer?: string; is_remote?: boolean };
    process?: OcsfProcess;
  };
  process?: OcsfProcess;
  file?: { path?: string; name?: string };
  file_result?: { path?: string; name?: string };
  unmapped?: {
    rule?: string;
    rule_file?: string;
    rule_line?: number;
    hook?: string;
    access?: string[];
    verdict?: string;
    mode?: string;
    cgroup?: string;
    [key: string]: unknown;
  };
  [key: string]: unknown;
}

export interface TreeNode {
  id: string;
  pid: number;
  name: string;
  path: string;
  cmd_line: string;
  user: string;
  started: number | null;
  role: 'ancestor' | 'actor' | 'target';
}
