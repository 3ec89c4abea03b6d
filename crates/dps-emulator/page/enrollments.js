// The lists of individual enrollments and of enrollment groups.

import { enrollments, groups } from './api.js';
import { button, el, link, table, time } from './dom.js';
import { announce, confirmed, tell } from './say.js';

const PROOFS = { symmetricKey: 'Symmetric key', x509: 'X.509', tpm: 'TPM' };

export const enrollmentList = (view) => list(view, {
  kind: enrollments,
  way: 'enrollments',
  title: 'Individual enrollments',
  one: 'enrollment',
  name: 'Registration ID',
  add: 'Add individual enrollment',
});

export const groupList = (view) => list(view, {
  kind: groups,
  way: 'groups',
  title: 'Enrollment groups',
  one: 'enrollment group',
  name: 'Group name',
  add: 'Add enrollment group',
});

async function list({ signal, again }, { kind, way, title, one, name, add }) {
  const first = await kind.list(undefined, signal);
  const chosen = new Map();
  const id = (row) => row[kind.name];
  const remove = button('Delete', () => tell(async () => {
    const ids = [...chosen.keys()];
    const what = ids.length === 1 ? `the ${one} ${ids[0]}` : `${ids.length} ${one}s`;
    const text = 'Devices that registered with it keep their identities at their hubs, but cannot register again. This cannot be undone.';
    if (!await confirmed(`Delete ${what}?`, text, 'Delete')) return;
    try {
      // What has changed since it was listed is not deleted.
      for (const [one, etag] of chosen) await kind.remove(one, etag);
      announce(`${ids.length === 1 ? ids[0] : what} deleted.`);
    } finally {
      await again();
    }
  }), { class: 'danger', disabled: true });
  const choose = (row, is) => {
    if (is) chosen.set(id(row), row.etag);
    else chosen.delete(id(row));
    remove.disabled = chosen.size === 0;
    remove.textContent = chosen.size === 0 ? 'Delete' : `Delete ${chosen.size} selected`;
  };
  const rows = table(title, [
    {
      title: 'Select',
      hidden: true,
      cell: (row) => el('input', {
        type: 'checkbox', 'aria-label': `Select ${id(row)}`, on: { change: ({ target }) => choose(row, target.checked) },
      }),
    },
    { title: name, heads: true, cell: (row) => link([way, 'of', id(row)], id(row)) },
    { title: 'Attestation', cell: (row) => PROOFS[row.attestation?.type] ?? '–' },
    { title: 'Status', cell: (row) => (row.provisioningStatus === 'disabled' ? 'Disabled' : 'Enabled') },
    { title: 'Allocation', cell: (row) => row.allocationPolicy ?? 'as the service' },
    { title: 'Changed', cell: (row) => time(row.lastUpdatedDateTimeUtc) },
  ], first.items, `There is no ${one} yet.`);
  let { next } = first;
  const more = button('Show more', () => tell(async () => {
    const page = await kind.list(next, signal);
    next = page.next;
    rows.add(page.items);
    more.hidden = !next;
    announce(`${page.items.length} more.`);
  }), { hidden: !next });
  return {
    title,
    nodes: [
      el('div', { class: 'actions' }, el('a', { class: 'button', href: `#/${way}/new` }, add), remove,
        button('Refresh', () => again())),
      rows,
      el('div', { class: 'actions' }, more),
    ],
  };
}
