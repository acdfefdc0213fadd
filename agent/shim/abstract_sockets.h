// Abstract unix sockets belong to the network namespace, which containers share with their node: a D-Bus, an X server or
// a container engine of the node would be in reach of every job. Landlock (kernel 6.12) confines a process and all that
// it starts to those that were made among them.
#pragma once

namespace devrun::shim {

// For the calling process and its children. Nothing happens on older kernels (docs/security.md says so). Needs
// CAP_SYS_ADMIN. Async-signal-safe.
void shut_out_abstract_sockets();

}  // namespace devrun::shim
