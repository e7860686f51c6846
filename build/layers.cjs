// Who may import whom: the one table, checked by `npm run layers` (dependency-cruiser). See docs/architecture.md.
const CORE_EXCEPT_CPU_AND_DEVICES = [
  'core/base', 'core/wasm', 'core/hw', 'core/host', 'core/api', 'core/xen',
  'core/storage', 'core/net', 'core/display', 'core/firmware', 'core/machine', 'core/host-node',
]; // prettier-ignore

const MAY_IMPORT = {
  'core/base': [],
  'core/wasm': ['core/base'],
  'core/hw': ['core/base'],
  'core/host': ['core/base'],
  'core/api': ['core/base'],
  'core/cpu': ['core/base', 'core/hw', 'core/wasm', 'core/host'],
  'core/devices': ['core/base', 'core/hw'],
  'core/xen': ['core/base', 'core/hw'],
  'core/storage': ['core/base', 'core/hw', 'core/host'],
  'core/net': ['core/base', 'core/hw', 'core/host'],
  'core/display': ['core/base', 'core/hw', 'core/host'],
  'core/xz': ['core/base', 'core/wasm', 'core/host'],
  'core/firmware': ['core/base', 'core/hw', 'core/host', 'core/net', 'core/xz'],
  'core/machine': [
    'core/base', 'core/wasm', 'core/hw', 'core/host', 'core/cpu', 'core/devices', 'core/xen',
    'core/storage', 'core/net', 'core/display', 'core/firmware',
  ], // prettier-ignore
  'core/toolstack': CORE_EXCEPT_CPU_AND_DEVICES,
  'core/host-node': ['core/base', 'core/host'],
  'core/cli': [
    'core/base', 'core/host', 'core/api', 'core/storage', 'core/toolstack', 'core/host-node',
  ], // prettier-ignore
  electron: ['core/api', 'core/toolstack', 'core/host-node'],
  renderer: ['core/api'],
};

/** Folders that run in Node and may name its modules; the rest of core and the renderer may not. */
const NODE_FOLDERS = ['core/host-node/', 'core/cli/', 'core/toolstack/process/'];

const TEST = '\\.test(-d)?\\.ts$';
const inFolder = (folder) => `^${folder}/`;

module.exports = {
  forbidden: [
    ...Object.entries(MAY_IMPORT).map(([folder, allowed]) => ({
      name: `layer:${folder}`,
      comment: `${folder} may import ${allowed.join(', ') || 'nothing'} (build/layers.cjs)`,
      severity: 'error',
      from: { path: inFolder(folder), pathNot: TEST },
      to: {
        path: '^(core|electron|renderer|test|build)/',
        pathNot: [folder, ...allowed].map(inFolder),
      },
    })),
    {
      name: 'known-folder',
      comment: 'Every folder of core has a row in build/layers.cjs',
      severity: 'error',
      from: { path: '^core/', pathNot: Object.keys(MAY_IMPORT).map(inFolder) },
      to: {},
    },
    {
      name: 'no-cycle',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'front-door',
      comment: 'Other folders are reached through their index.ts only',
      severity: 'error',
      from: { path: '^(core/[^/]+|electron|renderer)/', pathNot: TEST },
      to: { path: '^core/[^/]+/', pathNot: ['^$1/', '^core/[^/]+/index\\.ts$'] },
    },
    {
      name: 'node-only-in-host-node',
      severity: 'error',
      from: {
        path: '^(core|renderer)/',
        pathNot: [...NODE_FOLDERS.map((folder) => `^${folder}`), TEST],
      },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'electron-only-in-electron',
      severity: 'error',
      from: { path: '^(core|renderer)/' },
      to: { path: '^(node_modules/)?electron($|/)' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^core/cpu/helpers/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'module', 'default', 'types'],
      extensions: ['.ts', '.mts', '.d.ts', '.vue', '.mjs', '.js', '.json', '.css'],
    },
  },
};
