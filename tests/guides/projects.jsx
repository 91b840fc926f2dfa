// Shows the project list of the Relay guide, asks for more until there is no more, and prints what it then shows.
import { Suspense, act } from 'react';
import { RelayEnvironmentProvider } from 'react-relay';
import { create } from 'react-test-renderer';
import { ProjectList } from './src/ProjectList';
import { environment } from './src/environment';

globalThis.IS_REACT_ACT_ENVIRONMENT = true;
globalThis.IS_REACT_NATIVE_TEST_ENVIRONMENT = true; // or the renderer prints that people should test in browsers
const page = (
  <RelayEnvironmentProvider environment={environment}>
    <Suspense fallback={null}>
      <ProjectList />
    </Suspense>
  </RelayEnvironmentProvider>
);
let screen;
await act(() => (screen = create(page)));
const all = (kind) => screen.root.findAllByType(kind);
const show = async (change) => {
  const before = all('li').length;
  await act(change);
  while (all('li').length === before) await act(() => new Promise((later) => setTimeout(later, 10)));
};

await show(() => {});
while (all('button').length) await show(() => all('button')[0].props.onClick());
for (const { props } of all('li')) console.log(props.children);
process.exit();
