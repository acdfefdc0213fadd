// The part of a task's prologue that fetches and fills: what `file_mounts` name by a URI is copied by the tool that the
// volume has for it (aws, gsutil, curl or wget), and shared folders get the content that the file wants in them. It
// runs before the text of setup, or of run if there is no setup, on every node; what fails there ends the task with 125.
#pragma once

#include <string>
#include <vector>

namespace devrun::launch {

// All paths absolute, in the task.
struct PlaceStep {
  enum class Kind {
    kFetch,  // `from`, a URI, copied to `to`
    kFill,  // `from`, a folder or file of the task's, copied into the folder `to`; what is there and newer stays
    kFolder,  // `to` is made
  };
  Kind kind = Kind::kFetch;
  std::string from;
  std::string to;
  bool shared =
      false;  // kFetch: `to` is a folder that other tasks see; whoever comes first fetches, and once
};

// Bash, to be evaluated behind the prologue (script.h); empty if there are none.
std::string places_script(const std::vector<PlaceStep>& places);

}  // namespace devrun::launch
