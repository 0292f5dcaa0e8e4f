// SPDX-License-Identifier: Apache-2.0
//
// The parts of an OCSF record that are shown. Records come from hosts: any of it may be missing.

/** What a file is by its content and its package. */
export interface OcsfFileFacts {
  hashes?: { algorithm_id?: number; value?: string }[];
  product?: { name?: string; version?: string };
}

export interface OcsfFile extends OcsfFileFacts {
  path?: string;
  name?: string;
  is_deleted?: boolean;
}

export interface OcsfEndpoint {
  ip?: string;
  port?: number;
}

/** What a descriptor is when a program begins. */
export interface OcsfDescriptor {
  fd?: number;
  kind?: string;
  path?: string;
  terminal?: string;
  family?: string;
  local_endpoint?: OcsfEndpoint;
  remote_endpoint?: OcsfEndpoint;
}

/** What a record of a launch says besides, under `unmapped`. */
export interface OcsfLaunch {
  cgroup?: string;
  argument_count?: number;
  arguments?: string[];
  arguments_cut?: boolean;
  environment_cut?: boolean;
  launch?: string[];
  script?: string;
  script_file?: OcsfFileFacts & { hash_missing?: string };
  descriptors?: OcsfDescriptor[];
  capabilities?: string[];
  capabilities_permitted?: string[];
  capabilities_ambient?: string[];
  namespaces?: Record<string, number>;
  hash_missing?: string;
}

export interface OcsfProcess {
  pid?: number;
  uid?: string;
  name?: string;
  path?: string;
  cmd_line?: string;
  created_time?: number;
  file?: OcsfFile;
  user?: { name?: string; uid?: string };
  group?: { name?: string; uid?: string };
  auid?: number;
  container?: { uid?: string; runtime?: string; orchestrator?: string; pod_uuid?: string };
  working_directory?: string;
  environment_variables?: { name?: string; value?: string }[];
  session?: { uid?: string; issuer?: string; is_remote?: boolean; terminal?: string };
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
  /** process.uid; '' when it has none. */
  uid: string;
  pid: number;
  name: string;
  path: string;
  cmd_line: string;
  user: string;
  started: number | null;
  role: 'ancestor' | 'actor' | 'target';
}
