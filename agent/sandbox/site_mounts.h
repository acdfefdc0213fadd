// Folders of the site in a container: /lustre, /datasets, home on a filer. Whoever is who inside, they are reached with the
// ids of the user who owns the attempt, never as root. Two ways lead there:
//
//   mapped  a mount on which the user's ids are the caller's (idmap.h). The kernel's own, and as fast; but it lets nobody
//           write what belongs to an id that the mount does not know, and it may know none but the user's: over all that it
//           knows, the container's root has power. So a folder of root's or of a colleague's cannot be written, whatever
//           its mode; and NFS and Lustre have no such mounts
//   served  by a program that has become the user (site_server.h): all that the user may do anywhere
//
// What is read-only is mapped where it can be (but for dev containers, where callers differ), and the rest is served, unless the site says `mapped`. Where neither can be,
// or nobody knows who the user is, an empty folder stands in the place, in which nothing can be written, with a file
// that says why. With `Ids::kContainer` it is the folder as it is: who is root inside is root there.
#pragma once

#include "agent/sandbox/setup.h"

namespace devrun::sandbox {

inline constexpr const char* kNotMounted = "NOT-MOUNTED";

// Adds them to setup.bound; their places are remove_bound's to undo. kInvalid: the caller's folder is in one that cannot
// be there.
Status add_site_mounts(Setup& setup);

}  // namespace devrun::sandbox
