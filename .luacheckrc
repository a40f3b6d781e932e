std = "lua54"
max_line_length = 120
globals = { "arg" }
-- Modules that load when first named (stdlib/prelude.lua).
read_globals = {
  "async", "context", "errors", "firewall", "help", "host", "inventory", "journal", "json", "lease", "log",
  "migrate", "playbook", "preflight", "reconcile", "ssh", "terminal", "units", "virt", "xml",
}
files["stdlib/prelude.lua"] = { globals = { "pcall", "xpcall", "coroutine", "print" } }
exclude_files = { "stdlib/meta" }
