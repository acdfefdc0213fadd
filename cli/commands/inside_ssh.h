// `devrun --inside ssh`: the container's end of `devrun ssh-proxy`. Runs the volume's own sshd for the one connection that
// this program's stdin and stdout are, with keys that come with the session (sshd_files.h): nothing listens on a port, and
// who may open a session was asked before. Its words go to stderr, where ssh shows them.
//
// sshd as a user who is not root serves that user alone. Root in a container may be asked for anybody: then this becomes
// that user first, since an sshd of root's refuses accounts without a password.
#pragma once

#include "cli/commands/command.h"

namespace devrun::cli {

// sshd's exit status; an error if there is none to run, or nobody to serve.
Result<int> serve_ssh(const Context& context);

}  // namespace devrun::cli
