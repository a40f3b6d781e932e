--- Text for people: broken at the width of their terminal, in columns.
-- Tested by tests/stdlib/layout_test.lua.
local layout = {}

local function columns(line) return utf8.len(line) or #line end

--- Lines of at most `width` columns, broken at spaces; a word that is longer has a line of its own. The first line
-- begins with `first`, the others with `rest`; both are empty without them.
function layout.wrap(long, width, first, rest)
  local lines = {}
  local line, begun = first or "", false
  for word in long:gmatch("%S+") do
    if begun and columns(line) + 1 + columns(word) > width then
      lines[#lines + 1] = line
      line, begun = rest or "", false
    end
    line = begun and line .. " " .. word or line .. word
    begun = true
  end
  lines[#lines + 1] = line
  return lines
end

-- The text with the rows of its tables each on one line.
local function joined_rows(text)
  local rows = {}
  for line in text:gmatch("(.-)\n") do
    local above, column = rows[#rows], #line:match("^%s*")
    local goes_on = above and column > 4 and line:find("%S") and above:sub(1, column):find("%S%s%s+$")
      and above:find("^%S", column + 1)
    if goes_on then rows[#rows] = above .. " " .. line:sub(column + 1) else rows[#rows + 1] = line end
  end
  return table.concat(rows, "\n") .. "\n"
end

--- Lines of a text that its author broke at another width: what stands together is joined and broken anew. Lines that
-- begin with a space or a dash are lines of their own, and what is broken off them is indented further. A line that
-- begins below the second column of the one above goes on with that.
function layout.flow(long, width)
  local lines, paragraph = {}, {}
  local function flush()
    if #paragraph > 0 then
      local joined = layout.wrap(table.concat(paragraph, " "), width)
      table.move(joined, 1, #joined, #lines + 1, lines)
    end
    paragraph = {}
  end
  for line in joined_rows(long:gsub("%s+$", "") .. "\n"):gmatch("(.-)\n") do
    local indent = line:match("^%s+") or ""
    if line:find("^%s*$") then
      flush()
      lines[#lines + 1] = ""
    elseif indent ~= "" or line:find("^%- ") then
      flush()
      if columns(line) <= width then
        lines[#lines + 1] = line
      else
        local broken = layout.wrap(line, width, indent, indent .. "    ")
        table.move(broken, 1, #broken, #lines + 1, lines)
      end
    else
      paragraph[#paragraph + 1] = line
    end
  end
  flush()
  return lines
end

--- Rows of cells as lines, each column as wide as its widest cell, two spaces between them.
function layout.columns(rows)
  local widths = {}
  for _, row in ipairs(rows) do
    for index, cell in ipairs(row) do widths[index] = math.max(widths[index] or 0, columns(cell)) end
  end
  local lines = {}
  for number, row in ipairs(rows) do
    local cells = {}
    for index, cell in ipairs(row) do cells[index] = cell .. (" "):rep(widths[index] - columns(cell)) end
    lines[number] = table.concat(cells, "  "):gsub("%s+$", "")
  end
  return lines
end

--- Rows of { head, text } as lines: the texts begin in one column, and what does not fit `width` goes on below. Each
-- line begins with `indent`.
function layout.pairs(rows, width, indent)
  local widest = 0
  for _, row in ipairs(rows) do widest = math.max(widest, columns(row[1])) end
  local rest = indent .. (" "):rep(widest + 2)
  local lines = {}
  for _, row in ipairs(rows) do
    local first = indent .. row[1] .. (" "):rep(widest - columns(row[1]) + 2)
    -- A column of its own needs some room.
    local wrapped = layout.wrap(row[2], math.max(width, #rest + 24), first, rest)
    table.move(wrapped, 1, #wrapped, #lines + 1, lines)
  end
  return lines
end

return layout
