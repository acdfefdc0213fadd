// `devrun-fs --as-user UID:GID[,GID…] --inside UID:GID --fuse-fd N --folder-fd N --at PLACE`: ends
// once another process, whose parent is nobody of ours, serves the folder of one descriptor on the mounted FUSE of the other
// until that is unmounted, as that user (folder_server.h). The place is for whoever looks at processes.
#pragma once

namespace devrun::site {

// The process's exit status.
int as_user(int argc, char** argv);

}  // namespace devrun::site
