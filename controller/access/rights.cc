#include "controller/access/rights.h"

#include "common/base/check.h"

namespace devrun::controller {

namespace {

constexpr unsigned kPeople = kByUser | kByAdmin;
constexpr unsigned kLookers = kPeople | kByReader | kByContainer;
constexpr unsigned kInside = kPeople | kByContainer;
constexpr unsigned kInsideAsRoot = kPeople | kByContainerRoot;
constexpr bool kChanges = true;

constexpr Level kNone = Level::kNone;
constexpr Level kSee = Level::kSee;
constexpr Level kRead = Level::kRead;
constexpr Level kWrite = Level::kWrite;
constexpr Level kOwn = Level::kOwn;

// Lists, watches and the queue name nothing: they show what the caller may see. Where a request may do more than the line
// says, what does it asks for more: Submit for `write` where results come home or a path is live, and for `own`
// where it is for a dev container, in which one is the volume's owner.
constexpr Right kRights[] = {
    {"Client", "Hello", kLookers, kNone, kNone, false},
    {"Client", "Submit", kInside, kOwn, kRead, kChanges},  // the job: that is run again
    {"Client", "ForeseeJob", kInside, kNone, kNone, false},
    {"Client", "Attach", kInside, kOwn, kNone, kChanges},
    {"Client", "Exec", kInside, kOwn, kNone, kChanges},
    {"Client", "ListSessions", kInside, kOwn, kNone, false},
    {"Client", "ListJobs", kLookers, kNone, kNone, false},
    {"Client", "GetJob", kLookers, kSee, kNone, false},
    {"Client", "CancelJob", kInside, kOwn, kNone, kChanges},
    {"Client", "ReadLog", kInside, kOwn, kNone, false},
    {"Client", "CreateVolume", kInsideAsRoot, kNone, kRead,
     kChanges},  // the volume: that it is made of
    {"Client", "ListVolumes", kLookers, kNone, kNone, false},
    {"Client", "RemoveVolume", kPeople, kNone, kOwn, kChanges},
    {"Client", "ReturnVolume", kPeople, kNone, kOwn, kChanges},
    {"Client", "FillVolume", kPeople, kNone, kWrite, kChanges},
    {"Client", "GetUsage", kLookers, kNone, kSee, false},
    {"Client", "SetQuota", kByAdmin, kNone, kOwn, kChanges},
    {"Client", "ListSnapshots", kLookers, kNone, kSee, false},
    {"Client", "CreateSnapshot", kInside, kNone, kWrite, kChanges},
    {"Client", "RemoveSnapshot", kInsideAsRoot, kNone, kOwn, kChanges},
    {"Client", "RestoreSnapshot", kInsideAsRoot, kNone, kWrite, kChanges},
    {"Client", "DiffSnapshots", kInsideAsRoot, kNone, kRead, false},
    {"Client", "ReadSnapshotFile", kInsideAsRoot, kNone, kRead, false},
    {"Client", "ListChanges", kInside, kOwn, kNone, false},
    {"Client", "TakeChanges", kInside, kOwn, kWrite, kChanges},
    {"Client", "UndoChanges", kInside, kOwn, kWrite, kChanges},
    {"Client", "CompareTrees", kInsideAsRoot, kOwn, kRead, false},
    {"Client", "ReadTreeFile", kInsideAsRoot, kOwn, kRead, false},
    {"Client", "GetVolumePaths", kLookers, kNone, kSee, false},
    {"Client", "SetVolumePaths", kInsideAsRoot, kNone, kOwn, kChanges},
    {"Client", "ListNodes", kLookers, kNone, kNone, false},
    {"Client", "DeclareNodeLost", kByAdmin, kNone, kNone, kChanges},
    {"Client", "DrainNode", kByAdmin, kNone, kNone, kChanges},
    {"Monitor", "Watch", kLookers, kNone, kNone, false},
    {"Monitor", "ReadSeries", kLookers, kSee, kNone, false},
    {"Monitor", "ReadQueue", kLookers, kNone, kNone, false},
    {"Monitor", "ReadUse", kLookers, kNone, kNone, false},
    {"Access", "AddUser", kByAdmin, kNone, kNone, kChanges},
    {"Access", "GiveToken", kByAdmin, kNone, kNone, kChanges},
    {"Access", "RemoveUser", kByAdmin, kNone, kNone, kChanges},
    {"Access", "ListUsers", kByAdmin | kByReader, kNone, kNone, false},
    {"Access", "ChangeGroups", kByAdmin, kNone, kNone, kChanges},
    {"Access", "ChangeSiteIdentity", kByAdmin, kNone, kNone, kChanges},
    {"Access", "ShareVolume", kPeople, kNone, kOwn, kChanges},
    {"Operations", "TakeBackup", kByAdmin, kNone, kNone, kChanges},
    {"Enrolment", "Invite", kByAdmin, kNone, kNone, kChanges},
    {"Enrolment", "Revoke", kByAdmin, kNone, kNone, kChanges},
    {"Enrolment", "Renew", kPeople | kByReader | kByNode, kNone, kNone, kChanges},
    // On a port of its own, where nobody has a certificate, and where nothing else is served.
    {"Joining", "Join", kByNobody, kNone, kNone, kChanges},
    // Each about attempts of that node alone.
    {"Samples", "TellSample", kByNode, kNone, kNone, false},
    {"Agent", "Synchronize", kByNode, kNone, kNone, false},
    {"Agent", "Report", kByNode, kNone, kNone, false},
    {"Agent", "KeepTrace", kByNode, kNone, kNone, false},
    {"Agent", "Streams", kByNode, kNone, kNone, false},
    {"Agent", "BringHome", kByNode, kNone, kNone, false},
    {"Agent", "Session", kByNode, kNone, kNone, false},
};

struct Word {
  By by;
  std::string_view word;
};
constexpr Word kWords[] = {{kByNobody, "anybody"},
                           {kByNode, "node"},
                           {kByReader, "read-only"},
                           {kByUser, "user"},
                           {kByAdmin, "admin"},
                           {kByContainer, "container"},
                           {kByContainerRoot, "container's root"}};

}  // namespace

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kNone:
      return "-";
    case Level::kSee:
      return "see";
    case Level::kRead:
      return "read";
    case Level::kWrite:
      return "write";
    case Level::kOwn:
      return "own";
  }
  return "-";
}

std::span<const Right> rights() {
  return kRights;
}

const Right& right_of(std::string_view call) {
  for (const Right& right : kRights) {
    if (right.call == call) return right;
  }
  CHECK_MSG(false, "a call without a line in the table of rights");
}

const Right* right_of_path(std::string_view path) {
  constexpr std::string_view kPackage = "/devrun.v1.";
  if (!path.starts_with(kPackage)) return nullptr;
  path.remove_prefix(kPackage.size());
  for (const Right& right : kRights) {
    const size_t slash = right.service.size();
    if (path.size() == slash + 1 + right.call.size() && path[slash] == '/' &&
        path.starts_with(right.service) && path.ends_with(right.call)) {
      return &right;
    }
  }
  return nullptr;
}

std::string by_in_words(unsigned by) {
  std::string out;
  for (const Word& word : kWords) {
    if ((by & word.by) == 0) continue;
    if (!out.empty()) out += ", ";
    out += word.word;
  }
  return out;
}

}  // namespace devrun::controller
