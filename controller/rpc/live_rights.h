// A live folder is the volume itself: jobs that have one end when their owner may not write that volume any more. (What they
// have of a snapshot stays theirs, and what they write comes home only while they may.)
#pragma once

#include <map>
#include <string>

#include "controller/rpc/services.h"

namespace devrun::controller {

// After shares, groups or users were taken back: looks at all jobs that have not ended. Blocks; any thread but the core's.
// Whoever submits a job with live folders calls it afterwards, too: a right that went in between is then seen by one of the
// two.
void end_jobs_without_rights(const Parts& parts);

// Whether it is worth calling for that job.
bool has_live_folders(const JobSpec& spec);
// Whether one of its live folders is of that volume.
bool has_live_folder_of(const JobSpec& spec, const std::string& volume);

// What JobSpec.live_volumes says of a job with these live folders. To be looked up before the rights on them are: then they
// are rights on these volumes, or on ones that will not be taken for these.
std::map<std::string, Time> volumes_made(storage::Storage& storage, const JobSpec& spec);
// kDenied, kNotFound: it may not have one of its live folders, by now: its user may not write that volume, or it is another
// one than when the job was submitted. Any thread.
Status check_live_folders(storage::Storage& storage, const Accounts& accounts, const JobSpec& spec,
                          Time submitted);

// Whether that user may write the volume, whoever was asked when. A removed one's own volumes stay theirs; of others' they
// have nothing any more.
bool may_write(const Accounts& accounts, const std::string& user,
               const storage::VolumeInfo& volume);

}  // namespace devrun::controller
