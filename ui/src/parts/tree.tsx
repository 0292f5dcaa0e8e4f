// SPDX-License-Identifier: Apache-2.0
//
// The processes behind a record, from the first ancestor down to what did it.

import type { TreeNode } from '../api/ocsf.ts';
import { t } from '../i18n/index.ts';
import { ProcessLink } from './proctree.tsx';
import { At, Raw } from './text.tsx';

function Level({ nodes, host }: { nodes: TreeNode[]; host: string }) {
  const [node, ...rest] = nodes;
  if (!node) return null;
  return (
    <ul class="tree">
      <li class={`tree-${node.role}`}>
        <div class="tree-node">
          <span class="tree-name">
            <ProcessLink host={host} uid={node.uid}>
              <Raw text={node.name || '?'} mono />
            </ProcessLink>{' '}
            <span class="faint num">{node.pid || ''}</span>
          </span>
          {node.user && (
            <span class="faint">
              <Raw text={node.user} />
            </span>
          )}
          {node.started !== null && (
            <span class="faint">
              <At ms={node.started} />
            </span>
          )}
          {node.role === 'actor' && <span class="tree-role">{t('record.treeActor')}</span>}
          {node.role === 'target' && <span class="tree-role">{t('record.treeTarget')}</span>}
          {(node.cmd_line || node.path) && (
            <div class="tree-cmd">
              <Raw text={node.cmd_line || node.path} mono max={300} />
            </div>
          )}
        </div>
        {rest.length > 0 && <Level nodes={rest} host={host} />}
      </li>
    </ul>
  );
}

/** Each process that has an entity leads to its page on this host. */
export function ProcessTree({ nodes, host }: { nodes: TreeNode[]; host: string }) {
  if (!nodes.length) return <p class="faint">{t('record.treeNone')}</p>;
  return <Level nodes={nodes} host={host} />;
}
