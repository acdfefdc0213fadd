// One of the cluster's daemons: what it should be, and making it so. A daemon that runs with other
// words than it should (another number of cores, another port), or of another build than the one that
// lies there now, is started anew, unless its life holds others' (keepers). A node's devrun-fs is run
// by its keeper (node_files.h).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/cluster/layout.h"
#include "cli/cluster/process.h"
#include "common/base/result.h"

namespace devrun::cluster {

struct Daemon {
  std::string name;                      // of its pid and log file
  std::vector<std::string> words;        // its command line
  std::string key;                       // the one of its words that no other daemon has
  std::vector<std::string> environment;  // besides ours
  int mount_namespace = -1;              // to start it in; -1: our own
  bool replaceable = true;               // may be ended to be started with other words
  bool ours = true;                      // ours: another build of it is another program
  std::function<bool()> ready;           // whether it serves
};

// Runs as recorded, whatever its words.
bool is_running(const Layout& layout, const std::string& name);

// Runs, with the words that it should have, and is the program that lies there now.
bool runs_as_it_should(const Layout& layout, const Daemon& daemon);

// Writes the pid files anew of those that run without one that names them: before anything is decided by pid files, or
// a damaged one would move a port, or end a node whose keeper lives.
Status adopt_running(const Layout& layout, const std::vector<Daemon>& daemons);

// Starts it if it does not run (so). One that an `up` started and was killed before it could write
// that down counts as running: there are never two. Does not wait for it to serve.
Status ensure_started(const Layout& layout, const Daemon& daemon);

// Ends the one that runs as recorded, if it does.
Status ensure_ended(const Layout& layout, const std::string& name);

// The last lines that a daemon logged.
std::string end_of_log(const std::string& path);

// Waits until it serves; if it ends instead, or time is up, an error with the end of its log.
Status await_ready(const Layout& layout, const Daemon& daemon);

}  // namespace devrun::cluster
