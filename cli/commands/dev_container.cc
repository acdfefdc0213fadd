#include "cli/commands/dev_container.h"

#include "cli/client/caller.h"

namespace devrun::cli {

std::vector<std::string> login_settings(const Caller& caller, const Surroundings& here) {
  return {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      "HOME=" + caller.home,
      "USER=" + caller.user,
      "LOGNAME=" + caller.user,
      "LANG=" + here.variable("LANG").value_or("C.UTF-8"),
  };
}

Result<Caller> caller_for(Controller& controller) {
  const WhoAmI me = TRY(controller.hello());
  Caller caller = TRY(capture_caller());
  if (me.role == "admin") caller = Caller{0, 0, {}, 022, "root", "/root"};
  if (caller.home.empty()) caller.home = "/";
  caller.umask = 022;
  return caller;
}

Result<Submission> container_of(const std::string& volume) {
  Submission out;
  out.request_id = TRY(new_request_id());
  JobSpec& spec = out.spec;
  spec.name = "shell";
  spec.dev_container = true;
  spec.root.volume = volume;
  spec.root.live = true;
  return out;
}

}  // namespace devrun::cli
