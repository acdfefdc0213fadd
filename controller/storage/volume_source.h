// Filling a new volume's live tree. All of it ends with kCancelled soon after the work is stopped.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "controller/storage/storage.h"

namespace devrun::storage {

// `live` is an empty folder. On failure it may hold anything; nothing is left mounted in it.
// Only of sources from outside: a FromVolume is the storage's own (CHECKed).
Status fill_volume(const std::string& live, const VolumeSource& source, Work& work);

// Unpacks a tar archive (plain, or compressed as its first bytes tell) that is read from
// `archive.fd` into the folder `to`; nothing of it leaves that.
Status unpack_archive(const FromArchive& archive, const std::string& to, Work& work);

// Whether a line of debootstrap's says that another step begins, or that something is wrong; the hundreds of others name
// single packages.
bool tells_a_step(std::string_view line);

// Whether `image` begins with a transport of skopeo's, such as oci-archive:.
bool has_image_transport(const std::string& image);

// Unpacks the image into the folder `to` with skopeo and umoci.
Status unpack_image(const FromImage& image, const std::string& to, Work& work);

// The archive that this machine installs `suite` from, by its apt sources (one-line and deb822
// formats). For a Debian suite that none of them names, the first Debian archive; empty if there is
// none. `apt_folder` is /etc/apt.
std::string find_mirror(const std::string& apt_folder, std::string_view suite);

}  // namespace devrun::storage
