// What people read: lists, one job in full, endings.
#include <gtest/gtest.h>

#include "cli/output/console.h"
#include "cli/output/ending_text.h"
#include "cli/output/job_json.h"
#include "cli/output/job_text.h"
#include "cli/output/line_prefixer.h"
#include "cli/output/table.h"
#include "common/base/text_width.h"

namespace devrun::cli {
namespace {

constexpr Time kSubmitted{1'767'225'600'000'000};
constexpr Time kNow{kSubmitted.us + 65'000'000};

JobRecord sample_job() {
  JobRecord job;
  job.job = 42;
  job.spec.name = "train";
  job.spec.user = "ada";
  job.spec.root.volume = "ada";
  job.spec.root.tree.bytes.fill(0xab);
  job.spec.program.argv = {"python", "train.py", "--note", "it's good"};
  job.spec.program.cwd = "/root/model";
  job.spec.per_node = {2500, int64_t{16} << 30, 2, "a100"};
  job.state = JobState::kFailed;
  job.ending = Ending{EndCause::kExited, 137, "killed by signal 9", ""};
  job.timeline.submitted = kSubmitted;
  job.timeline.snapshot_taken = Time{kSubmitted.us + 4'200};
  job.timeline.journaled = Time{kSubmitted.us + 5'000};
  AttemptRecord attempt;
  attempt.key = AttemptKey{42, kNoTask, 0, 1};
  attempt.node = "node1";
  attempt.state = JobState::kFailed;
  attempt.ending = job.ending;
  attempt.output_bytes = 2048;
  attempt.wrote = WrittenSummary{
      2, 3000, "node1", "/x/upper", {{"/root/a", 'A', 3000}, {"/root/\x1b[2J", 'D', 0}}};
  attempt.timeline.started = Time{kSubmitted.us + 20'000};
  attempt.timeline.ended = Time{kSubmitted.us + 5'020'000};
  job.attempts.push_back(attempt);
  return job;
}

TEST(Text, ListOfJobs) {
  JobList jobs;
  JobRecord waiting;
  waiting.job = 7;
  waiting.spec.root.volume = "bob";
  waiting.spec.program.argv = {"sh", "-c", "a\nb"};
  waiting.timeline.submitted = kSubmitted;
  jobs.jobs = {waiting, sample_job()};
  EXPECT_EQ(jobs_text(jobs, kNow),
            "JOB  NAME   STATE   STATUS  NODE   TIME  SUBMITTED  VOLUME  COMMAND\n"
            "7    -      QUEUED  -       -      -     1m05s ago  bob     sh -c 'a b'\n"
            "42   train  FAILED  137     node1  5.0s  1m05s ago  ada     python train.py --note "
            "'it'\\''s good'\n");
}

TEST(Text, TheListFitsTheTerminalAndSaysWhyJobsWait) {
  JobRecord waiting = sample_job();
  waiting.job = 7;
  waiting.state = JobState::kQueued;
  waiting.ending.reset();
  waiting.attempts.clear();
  waiting.spec.program.argv = {"python", "big.py"};
  waiting.reason = "needs 64 cores on one node: the largest has 2";
  const JobList jobs{{waiting, sample_job()}, false};
  EXPECT_NE(jobs_text(jobs, kNow)
                .find("python big.py  (needs 64 cores on one node: the largest has 2)\n"),
            std::string::npos);
  for (const size_t columns : {60U, 80U, 100U, 200U}) {
    const std::string text = jobs_text(jobs, kNow, {.colours = false, .columns = columns});
    for (size_t at = 0; at < text.size();) {
      const size_t end = text.find('\n', at);
      EXPECT_LE(width_of(std::string_view(text).substr(at, end - at)), static_cast<int>(columns));
      at = end + 1;
    }
    EXPECT_NE(text.find("python big.py"), std::string::npos) << text;
    EXPECT_EQ(text.find("VOLUME") != std::string::npos, columns >= 100) << text;
  }
}

JobRecord sample_array() {
  JobRecord job = sample_job();
  job.job = 39;
  job.spec.array = {{0, 5, 1}};
  job.tasks = TaskCounts{6, 0, 1, 1, {1}};
  AttemptRecord first = job.attempts[0];
  first.key = {39, 0, 0, 1};
  first.state = JobState::kSucceeded;
  first.ending = Ending{};
  AttemptRecord second = job.attempts[0];
  second.key = {39, 1, 0, 1};
  second.node = "node2";
  job.attempts = {first, second};
  return job;
}

TEST(Text, AListWithAGangAndAnArray) {
  JobRecord gang = sample_job();
  gang.spec.nodes = 2;
  gang.attempts.push_back(gang.attempts[0]);
  gang.attempts[1].key.rank = 1;
  gang.attempts[1].node = "node2";
  const std::string text = jobs_text({{sample_array(), gang}, false}, kNow);
  EXPECT_NE(text.find("JOB  NAME   STATE   STATUS  TASKS  NODE"), std::string::npos) << text;
  EXPECT_NE(text.find("39   train  FAILED  137     2/6    node1,node2"), std::string::npos) << text;
  EXPECT_NE(text.find("42   train  FAILED  137     -      node1,node2"), std::string::npos) << text;
  EXPECT_NE(job_text(gang, kNow).find("\nattempt 42.0 on node1"), std::string::npos);
  EXPECT_NE(job_text(gang, kNow).find("\nattempt 42.1 on node2"), std::string::npos);
}

TEST(Text, AnArrayIsSummedUp) {
  const std::string text = job_text(sample_array(), kNow);
  EXPECT_NE(text.find("tasks       6: 1 ok, 1 failed (39_1), 4 not run\n"), std::string::npos)
      << text;
  EXPECT_NE(text.find("\nTASK  STATE      STATUS  NODE   TIME  OUTPUT  REASON\n"
                      "39_0  SUCCEEDED  0       node1  5.0s  2.0 KB\n"
                      "39_1  FAILED     137     node2  5.0s  2.0 KB  killed by signal 9\n"),
            std::string::npos)
      << text;
  JobRecord one = sample_array();
  one.task = 1;
  one.attempts.erase(one.attempts.begin());
  EXPECT_TRUE(job_text(one, kNow).starts_with("job         39_1  train\n")) << job_text(one, kNow);
  EXPECT_NE(job_text(one, kNow).find("\nattempt 39_1 on node2: FAILED"), std::string::npos);
  EXPECT_EQ(explain_text(one), "job 39_1 is FAILED, status 137: killed by signal 9\n");
  EXPECT_EQ(explain_text(sample_array()),
            "job 39 is FAILED; tasks 6: 1 ok, 1 failed (39_1), 4 not run, status 137: killed by "
            "signal 9\n");
}

TEST(Text, OfAVeryLongArrayWhatFailedIsShown) {
  JobRecord job = sample_array();
  const AttemptRecord good = job.attempts[0];
  const AttemptRecord bad = job.attempts[1];
  job.attempts.clear();
  for (int32_t task = 0; task < 300; ++task) {
    job.attempts.push_back(task == 299 ? bad : good);
    job.attempts.back().key.task = task;
  }
  const std::string text = job_text(job, kNow);
  EXPECT_NE(text.find("39_299"), std::string::npos);
  EXPECT_EQ(text.find("39_150"), std::string::npos);
  EXPECT_NE(text.find("and 200 more: "), std::string::npos);
}

TEST(Text, OneJobInFull) {
  EXPECT_EQ(job_text(sample_job(), kNow),
            "job         42  train\n"
            "state       FAILED\n"
            "status      137: killed by signal 9\n"
            "command     python train.py --note 'it'\\''s good'\n"
            "directory   /root/model\n"
            "user        ada (uid 0, gid 0)\n"
            "volume      ada  abababababab\n"
            "asks for    2.5 cpu, 16 GB, 2 gpu a100\n"
            "submitted   2026-01-01 00:00:00Z, 1m05s ago\n"
            "\n"
            "attempt 42 on node1: FAILED, status 137, 2.0 KB of output\n"
            "  killed by signal 9\n"
            "  wrote 2 files, 2.9 KB, kept on node1 in /x/upper\n"
            "    A /root/a  2.9 KB\n"
            "    D /root/\\x1b[2J\n"
            "  stage     at ms   took ms\n"
            "  snapshot  4.2     4.2\n"
            "  journal   5.0     0.8\n"
            "  started   20.0    15.0\n"
            "  ended     5020.0  5000.0\n");
}

TEST(Text, Explanations) {
  JobRecord job;
  job.job = 7;
  job.reason = "no node has 8 GPUs";
  EXPECT_EQ(explain_text(job), "job 7 is QUEUED: no node has 8 GPUs\n");
  EXPECT_EQ(explain_text(sample_job()), "job 42 is FAILED, status 137: killed by signal 9\n");
  job = sample_job();
  job.ending.reset();
  job.state = JobState::kRunning;
  EXPECT_EQ(explain_text(job), "job 42 is RUNNING on node1\n");
}

TEST(Text, Nodes) {
  NodeRecord node;
  node.hello.name = "node1";
  node.hello.address = "127.0.0.2";
  node.hello.total = {4000, int64_t{8} << 30, 0, ""};
  node.used = {1500, int64_t{1} << 30, 0, ""};
  node.connected = true;
  node.attempts = 2;
  NodeRecord storage;
  storage.hello.name = "storage";
  storage.hello.address = "127.0.0.1";
  storage.hello.dev_containers = true;
  storage.last_heard = kSubmitted;
  EXPECT_EQ(
      nodes_text({node, storage}, kNow),
      "NODE     STATE              CPU    MEMORY         GPUS  JOBS  POOLS             ADDRESS\n"
      "node1    up                 1.5/4  1.0 GB/8.0 GB  0/0   2     -                 127.0.0.2\n"
      "storage  silent, 1m05s ago  0/0    0 B/0 B        0/0   0     (dev containers)  "
      "127.0.0.1\n");
  EXPECT_EQ(node_text(node, kNow).find("leaves"), std::string::npos);
  node.hello.site_paths = {"/data", "/lustre"};
  node.hello.leaves = kNow + seconds(3600);
  const std::string told = node_text(node, kNow);
  EXPECT_NE(told.find("/data, /lustre\n"), std::string::npos) << told;
  EXPECT_NE(told.find("1h00m\n"), std::string::npos) << told;
  EXPECT_NE(nodes_json({node}).find("\"site_mounts\":[\"/data\",\"/lustre\"]"), std::string::npos);
}

TEST(Text, Volumes) {
  VolumeRecord volume{"ada", "root", "btrfs", kSubmitted, {}, {}, 0, 0};
  VolumeRecord full{"bob", "bob", "btrfs", kSubmitted, {}, kSubmitted, 56'575, int64_t{2600} << 20};
  VolumeRecord shared = full;
  shared.name = "eva";
  shared.owner = "eva";
  shared.access = "read";
  EXPECT_EQ(volumes_text({volume, full, shared}, kNow),
            "VOLUME  OWNER  ACCESS  FILES  SIZE    SNAPSHOT   CREATED    DRIVER\n"
            "ada     root   all     -      -       -          1m05s ago  btrfs\n"
            "bob     bob    all     56575  2.5 GB  1m05s ago  1m05s ago  btrfs\n"
            "eva     eva    read    56575  2.5 GB  1m05s ago  1m05s ago  btrfs\n");
  EXPECT_NE(volumes_json({shared}).find("\"access\":\"read\""), std::string::npos)
      << volumes_json({shared});
}

TEST(Json, OneJob) {
  JobRecord job = sample_job();
  job.attempts.clear();
  job.env_names = {"PATH"};
  EXPECT_EQ(
      job_json(job),
      "{\"job\":42,\"name\":\"train\",\"user\":\"ada\",\"state\":\"FAILED\",\"reason\":\"\","
      "\"ending\":{\"cause\":\"EXITED\",\"status\":137,\"reason\":\"killed by signal "
      "9\",\"hint\":\"\"},"
      "\"volume\":\"ada\",\"tree\":"
      "\"abababababababababababababababababababababababababababababababab\","
      "\"dev_container\":false,\"argv\":[\"python\",\"train.py\",\"--note\",\"it's "
      "good\"],\"cwd\":\"/root/model\","
      "\"uid\":0,\"gid\":0,\"tty\":false,\"env_names\":[\"PATH\"],"
      "\"per_node\":{\"cpu_milli\":2500,\"memory_bytes\":17179869184,\"gpus\":2,\"gpu_type\":"
      "\"a100\",\"gpu_memory_bytes\":0,\"extras\":{}},"
      "\"nodes\":1,\"pool\":\"\",\"array\":[],\"tasks\":null,\"after\":[],\"after_ok\":[],"
      "\"after_fail\":[],\"labels\":{},\"node_labels\":{},\"time_limit_us\":0,"
      "\"priority\":0,\"retries\":0,\"retry_on\":[],\"retry_always_on\":[],"
      "\"retry_lost\":false,\"warn_signal\":0,\"warn_before_us\":0,"
      "\"results\":\"home\",\"fresh\":false,\"paths\":[],"
      "\"timeline\":{\"submitted_us\":1767225600000000,\"snapshot_taken_us\":1767225600004200,"
      "\"journaled_us\":1767225600005000},\"attempts\":[]}\n");
}

TEST(Json, BytesThatAreNoText) {
  JobRecord job;
  job.spec.program.argv = {"a\xff"};
  EXPECT_NE(job_json(job).find("\"argv\":[\"a\xef\xbf\xbd\"]"), std::string::npos);
}

TEST(Words, Format) {
  EXPECT_EQ(format_words("it broke: why", "devrun ps"), "devrun: it broke: why. Try: devrun ps");
  EXPECT_EQ(format_words("a\nb", ""), "devrun: a\ndevrun: b");
  EXPECT_EQ(format_words("a\nb", "c"), "devrun: a\ndevrun: b\ndevrun: Try: c");
  EXPECT_EQ(printable("a\x1b\x7f\tb"), "a\\x1b\\x7f\tb");
  EXPECT_EQ(printable("\xc2\x9b"
                      "2J \xc2\xa0 \xe2\x80\xae \xe2\x80\x9c"),
            "\\xc2\\x9b2J \xc2\xa0 \\xe2\\x80\\xae \xe2\x80\x9c");
}

TEST(Table, CountsCharacters) {
  Table table({"ä", "b"});
  table.add({"long", ""});
  table.add({"é", "x\x1by"});
  EXPECT_EQ(table.render(), "ä     b\nlong\né     x\\x1by\n");
  EXPECT_EQ(shortened("grüße", 4), "grü…");
  EXPECT_EQ(shortened("grüße", 5), "grüße");
  EXPECT_EQ(shortened("進捗進捗", 8), "進捗進捗") << "two columns each";
  EXPECT_EQ(shortened("進捗進捗", 7), "進捗進…");
  EXPECT_EQ(shortened("進捗進捗", 6), "進捗…") << "no half of a character";
  Table wide({"NAME", "X"});
  wide.add({"李明", "1"});
  wide.add({"plain", "2"});
  EXPECT_EQ(wide.render(), "NAME   X\n李明   1\nplain  2\n");
}

TEST(LinePrefixer, WholeLinesOnly) {
  LinePrefixer lines("[1] ");
  EXPECT_EQ(lines.feed("a"), "");
  EXPECT_EQ(lines.feed("b\nc\nd"), "[1] ab\n[1] c\n");
  EXPECT_EQ(lines.finish(), "[1] d\n");
  EXPECT_EQ(lines.finish(), "");
  EXPECT_EQ(lines.feed(std::string(70'000, 'x')).size(), 70'005u);
}

TEST(Printable, NeitherControlNorOddBytesReachTheTerminal) {
  EXPECT_EQ(printable("a\x1b[2J\xff é\n"), "a\\x1b[2J\\xff é\n");
}

TEST(Text, APathStaysOnItsLine) {
  EXPECT_EQ(printable("a\nb\tc\x1b[1m"), "a\nb\tc\\x1b[1m");
  EXPECT_EQ(printable_path("a\nb\tc\x1b[1m\x7f/ü"), "a\\x0ab\\x09c\\x1b[1m\\x7f/ü");
}

}  // namespace
}  // namespace devrun::cli
