/** Entry of the operating system process that hosts one domain: its event loop owns the images, the console, the screen; its worker runs the guest. */
import { openParentChannel } from './parent-channel';
import { DomainHost } from './domain-host';

const channel = openParentChannel();
if (channel) new DomainHost(channel).serve();
else {
  process.stderr.write(
    'This file is started by Domus for each domain; use `domus run` or the app.\n',
  );
  process.exitCode = 2;
}
