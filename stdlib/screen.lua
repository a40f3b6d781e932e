--- What a person, or a program with --json, sees of a run: one line per step, a live line while something moves.
-- What hosts said is in all of it: only the screen's own colours and live line reach the terminal as they are.
-- Tested by tests/transcripts and tests/stdlib/screen_test.lua.
local async = require "async"
local json = require "json"
local layout = require "layout"
local terminal = require "terminal"
local units = require "units"

local screen = {}
screen.__index = screen

local colours = { good = "\27[32m", bad = "\27[31m", warn = "\27[33m", dim = "\27[2m", bold = "\27[1m", off = "\27[0m" }

local function visible(text) return terminal.visible(tostring(text)) end

--- Prints a line of a command, which tells what hosts said. What it writes commands no terminal, nor the one that
-- shows a file or a pipe later.
function screen.say(text) print(visible(text or "")) end

--- A screen for this process' output. mode: "json", "terminal" or "plain", found out without it.
function screen.new(mode)
  local live = terminal.is_terminal("stdout")
  local no_color = os.getenv("NO_COLOR")
  local self = { mode = mode or (live and "terminal" or "plain"), live_line = false, depth = 0 }
  self.coloured = self.mode == "terminal" and not (no_color and no_color ~= "") and os.getenv("TERM") ~= "dumb"
  return setmetatable(self, screen)
end

--- The text in a style: "good", "bad", "warn", "bold" or "dim"; as it is where there are no colours.
function screen:paint(style, text)
  text = visible(text)
  if not self.coloured then return text end
  return colours[style] .. text .. colours.off
end

-- A live line is one that the next output replaces.
function screen:clear_live()
  if not self.live_line then return end
  terminal.write("\r\27[K")
  self.live_line = false
end

-- A line whose text is visible already.
local function put(self, text)
  self:clear_live()
  self.wrote = true
  terminal.write(text .. "\n")
end

--- One event a line, for programs.
function screen:event(name, fields)
  if self.mode ~= "json" then return end
  local data = { event = name, at_ms = async.wall_ms() }
  for key, value in pairs(fields or {}) do data[key] = value end
  terminal.write(json.encode(data) .. "\n")
end

--- Shows what begins now, and more about it.
function screen:title(text, detail)
  if self.mode == "json" then return end
  put(self, self:paint("bold", text) .. (detail and "  " .. self:paint("dim", detail) or ""))
end

--- Shows that a step began; a terminal sees it at once, other readers when it ended.
function screen:step_began(label)
  self:event("step_began", { step = label })
  self.depth = self.depth + 1
  if self.mode == "terminal" and self.depth == 1 then
    self:clear_live()
    terminal.write("  " .. self:paint("dim", "..  " .. label))
    self.live_line = true
  end
end

--- Shows that a step ended, and how.
function screen:step_ended(label, elapsed_ms, ok, problem)
  self.depth = self.depth - 1
  self:event("step_ended", { step = label, elapsed_ms = elapsed_ms, ok = ok, error = problem })
  if self.mode == "json" or self.depth > 0 then return end
  local mark = ok and self:paint("good", "ok") or self:paint("bad", "no")
  local took = elapsed_ms >= 50 and self:paint("dim", ("  %s"):format(units.format_duration(elapsed_ms))) or ""
  put(self, ("  %s  %s%s"):format(mark, visible(label), took))
end

--- Shows what a person should know and what to do about it; nothing stops.
function screen:warning(message, hint)
  self:event("warning", { message = message, hint = hint })
  if self.mode == "json" then return end
  local text = visible(message .. (hint and "\n           " .. hint or ""))
  put(self, "  " .. self:paint("warn", "warning") .. "  " .. text)
end

--- Shows a line that belongs to the step before it.
function screen:note(text)
  self:event("note", { message = text })
  if self.mode ~= "json" then put(self, "      " .. visible(text)) end
end

local function bar(share, width)
  local filled = math.floor(share * width + 0.5)
  return "[" .. ("#"):rep(filled) .. ("-"):rep(width - filled) .. "]"
end

--- The live line of a move. fields: processed_bytes, remaining_bytes, total_bytes, rate_bytes_s, dirty_bytes_s,
-- estimate_ms; what is not known is left out.
function screen:progress(label, fields)
  self:event("progress", fields)
  if self.mode ~= "terminal" then return end
  local parts = {}
  local left_bytes, total_bytes = fields.remaining_bytes or 0, fields.total_bytes or 0
  if total_bytes == 0 then return end  -- the job is there, and nothing is known of it yet
  local share = 1 - left_bytes / total_bytes
  share = math.max(0, math.min(1, share))
  parts[#parts + 1] = bar(share, 24) .. (" %3d%%"):format(math.floor(share * 100))
  parts[#parts + 1] = units.format_size(left_bytes) .. " left"
  if fields.rate_bytes_s then parts[#parts + 1] = ("%.0f MiB/s"):format(fields.rate_bytes_s / 1048576) end
  if fields.dirty_bytes_s then parts[#parts + 1] = ("dirty %.0f MiB/s"):format(fields.dirty_bytes_s / 1048576) end
  if fields.estimate_ms then parts[#parts + 1] = "about " .. units.format_duration(fields.estimate_ms) end
  local text = "  ..  " .. visible(label) .. "  " .. table.concat(parts, "  ")
  terminal.write("\r\27[K" .. text:sub(1, math.max(20, terminal.width() - 1)))
  self.live_line = true
end

--- The closing summary: a list of { name, text }.
function screen:summary(title, rows, style)
  if self.mode == "json" then
    local fields = {}
    for _, row in ipairs(rows) do fields[row[1]] = row[2] end
    self:event("summary", { title = title, fields = fields })
    return
  end
  if self.wrote then put(self, "") end
  put(self, self:paint(style or "good", title))
  -- Whoever reads a file or a pipe breaks lines as they like.
  local width = self.mode == "terminal" and terminal.width() or math.maxinteger
  for _, line in ipairs(layout.pairs(rows, width, "  ")) do put(self, visible(line)) end
end

return screen
