// Lines of the audit log, and that it stays within its bounds.
#include "controller/access/audit_log.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>

#include "common/runtime/file.h"

namespace devrun::controller {
namespace {

AuditEntry entry(const std::string& who) {
  AuditEntry out;
  out.at = Time{1'700'000'000'123'456};
  out.who = who;
  out.role = "user";
  out.from = "ipv4:10.0.0.7:40000";
  out.call = "CancelJob";
  out.about = {{"job", "42"}, {"name", "\"x\""}};
  out.took = milliseconds(3);
  return out;
}

TEST(AuditLine, IsJsonInOneLine) {
  EXPECT_EQ(audit_line(entry("ada")),
            R"({"time":"2023-11-14T22:13:20.123Z","who":"ada","role":"user",)"
            R"("from":"ipv4:10.0.0.7:40000","call":"CancelJob","about":{"job":42,"name":"x"},)"
            R"("result":"ok","ms":3})"
            "\n");
  AuditEntry bad = entry("a\nb\xff");
  bad.via = "job 7";
  bad.error = "there is no job 42";
  EXPECT_EQ(
      audit_line(bad),
      R"({"time":"2023-11-14T22:13:20.123Z","who":"a\nb\\xff","role":"user",)"
      R"("from":"ipv4:10.0.0.7:40000","call":"CancelJob","via":"job 7",)"
      R"("about":{"job":42,"name":"x"},"result":"failed","error":"there is no job 42","ms":3})"
      "\n");
}

TEST(AuditLog, IsAppendedToAndRotated) {
  std::string pattern = std::filesystem::temp_directory_path() / "devrun-audit-XXXXXX";
  const std::string folder = ::mkdtemp(pattern.data());
  const std::string file = folder + "/audit.jsonl";
  const size_t line = audit_line(entry("a")).size();
  for (int i = 0; i < 10; ++i) {  // opened anew for each line
    const auto log = *AuditLog::open(folder, {2 * line, 3});
    log->write(entry(std::string(1, static_cast<char>('a' + i))));
  }
  EXPECT_EQ(*read_file(file), audit_line(entry("i")) + audit_line(entry("j")));
  EXPECT_EQ(*read_file(file + ".1"), audit_line(entry("g")) + audit_line(entry("h")));
  EXPECT_EQ(*read_file(file + ".2"), audit_line(entry("e")) + audit_line(entry("f")));
  EXPECT_FALSE(std::filesystem::exists(file + ".3"));
  EXPECT_EQ(std::filesystem::status(file).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  std::filesystem::remove_all(folder);
}

TEST(AuditLog, RefusalsPushOutNothingThatWasDone) {
  std::string pattern = std::filesystem::temp_directory_path() / "devrun-audit-XXXXXX";
  const std::string folder = ::mkdtemp(pattern.data());
  const auto log = *AuditLog::open(folder, {1, 2});
  log->write(entry("done"));
  AuditEntry refused = entry("refused");
  refused.error = "no";
  refused.refused = true;
  for (int i = 0; i < 10; ++i) log->write(refused);
  EXPECT_EQ(*read_file(folder + "/audit.jsonl"), audit_line(entry("done")));
  EXPECT_EQ(*read_file(folder + "/audit-refused.jsonl.1"), audit_line(refused));
  std::filesystem::remove_all(folder);
}

// A file system of two pages, so that half of the second line fits.
TEST(AuditLog, HalfALineOfAFullDiskIsTakenBack) {
  std::string pattern = std::filesystem::temp_directory_path() / "devrun-audit-XXXXXX";
  const std::string folder = ::mkdtemp(pattern.data());
  if (::mount("none", folder.c_str(), "tmpfs", 0, "size=8k") != 0) GTEST_SKIP() << "no mounts";
  const auto log = *AuditLog::open(folder);
  const std::string long_name(5000, 'x');
  log->write(entry(long_name));
  log->write(entry(long_name));
  log->write(entry("short"));
  const std::string text = *read_file(folder + "/audit.jsonl");
  EXPECT_TRUE(text == audit_line(entry(long_name)) + audit_line(entry("short")))
      << text.size() << " bytes";
  ::umount2(folder.c_str(), MNT_DETACH);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace devrun::controller
