-- The k nearest drivers within a radius, exactly.
--
-- KEYS  1 drivers:where:{vehicle}
-- ARGV  1 latitude, 2 longitude (degrees)   3 radius (radians)   4 k
--       5 seen_ms: whoever was last heard of before this is left out
-- returns members of the cells (latitude, longitude and seen_ms as doubles, then the driver) in no
--       order: all who are at most as far as the k-th, to within rounding, so that the caller sorts
--       and cuts
--
-- Cells are numbered 0 to 2^25 - 1 from west to east and from south to north. A geohash is the bits
-- of both numbers in turn, longitude first, so a box of cells lies in one interval of geohashes, and
-- halving the box at the highest bit in which its corners differ gives two tighter, disjoint ones.

local AXIS = 2 ^ 25
local SLACK = 1e-11  -- radians, 0.06 mm: boxes are widened by it, far more than doubles are rounded
local MAP, MAP_EARTH_M = math.rad(85.05112878), 6372797.560856  -- GEOSEARCH's northern end and radius
local SPREAD = {[0] = 0, 1, 4, 5, 16, 17, 20, 21, 64, 65, 68, 69, 80, 81, 84, 85}

local pi, sin, cos, sqrt, max = math.pi, math.sin, math.cos, math.sqrt, math.max
local floor, frexp, bxor = math.floor, math.frexp, bit.bxor
local radian = pi / 180
local lat, lon, radius = ARGV[1] * radian, ARGV[2] * radian, ARGV[3] + SLACK
local k, min_seen = tonumber(ARGV[4]), tonumber(ARGV[5])
local cos_lat = cos(lat)

-- The bits of a cell number, moved apart to leave room for the other axis.
local function spread(number)
  local bits, unit = 0, 1
  while number > 0 do
    local four = number % 16
    bits = bits + SPREAD[four] * unit
    number, unit = (number - four) / 16, unit * 256
  end
  return bits
end

-- A box is an array: the cell numbers of its edges, and the same with their bits spread.
local WEST, EAST, SOUTH, NORTH, W, E, S, N = 1, 2, 3, 4, 5, 6, 7, 8

local function halves(b)
  local west, east, south, north, w, e, s, n = unpack(b)
  local _, columns = frexp(bxor(west, east))
  local _, rows = frexp(bxor(south, north))
  local unit = 2 ^ (max(columns, rows) - 1)
  local area = unit * unit
  local ones = (area - 1) / 3
  if columns >= rows then
    local middle = east - east % unit
    return {west, middle - 1, south, north, w, w - w % area + ones, s, n},
      {middle, east, south, north, e - e % area, e, s, n}
  end
  local middle = north - north % unit
  return {west, east, south, middle - 1, w, e, s, s - s % area + ones},
    {west, east, middle, north, w, e, n - n % area, n}
end

local function cells(b) return (b[EAST] - b[WEST] + 1) * (b[NORTH] - b[SOUTH] + 1) end
local function low(b) return 2 * b[W] + b[S] end
local function high(b) return 2 * b[E] + b[N] end

-- One box, or two across the antimeridian, that hold everything within an angle.
local function edges(angle)
  local west, east, south, north = 0, AXIS - 1, 0, AXIS - 1
  if lat - angle > -pi / 2 then south = floor((lat - angle + pi / 2) / pi * AXIS) end
  if lat + angle < pi / 2 then north = math.min(north, floor((lat + angle + pi / 2) / pi * AXIS)) end
  if math.abs(lat) + angle < pi / 2 and angle < 1 then  -- else a pole is inside, or half the world
    local width = math.asin(sin(angle) / cos_lat)
    west = floor((lon - width + pi) / (2 * pi) * AXIS) % AXIS
    east = floor((lon + width + pi) / (2 * pi) * AXIS) % AXIS
  end
  local w, e, s, n = spread(west), spread(east), spread(south), spread(north)
  if west <= east then return {{west, east, south, north, w, e, s, n}} end
  return {{west, AXIS - 1, south, north, w, (AXIS * AXIS - 1) / 3, s, n},
          {0, east, south, north, 0, e, s, n}}
end

-- The same in more boxes, each with a fairly tight interval.
local function tight(boxes)
  for _ = 1, 2 do
    for i = 1, #boxes do
      if high(boxes[i]) - low(boxes[i]) > 2 * cells(boxes[i]) then
        boxes[i], boxes[#boxes + 1] = halves(boxes[i])
      end
    end
  end
  return boxes
end

-- How many drivers are in the intervals of some boxes, and about how many in the circle in them.
local function count(boxes)
  local total, spanned, inside = 0, 0, 0
  for i = 1, #boxes do
    local from, to = low(boxes[i]), high(boxes[i])
    total = total + redis.call('ZCOUNT', KEYS[1], from, to)
    spanned = spanned + to - from + 1
    inside = inside + cells(boxes[i])
  end
  return total, total * inside / spanned * pi / 4
end

local function read(boxes)
  local drivers, total = {}, 0
  for i = 1, #boxes do
    local some = redis.call('ZRANGEBYSCORE', KEYS[1], low(boxes[i]), high(boxes[i]))
    for j = 1, #some do drivers[total + j] = some[j] end
    total = total + #some
  end
  return drivers, total
end

local found, near, hs, bound, heap, heaped

local function start(angle)
  found, near, hs, heap, heaped = 0, {}, {}, {}, 0
  bound = angle < pi and sin(angle / 2) ^ 2 or 2  -- haversines are compared, not distances
end

-- The k smallest haversines found so far, in a heap with the largest on top: that is the bound.
local function keep(h)
  local i = 1
  if heaped < k then
    heaped = heaped + 1
    i = heaped
    while i > 1 and heap[(i - i % 2) / 2] < h do
      heap[i] = heap[(i - i % 2) / 2]
      i = (i - i % 2) / 2
    end
  else
    while 2 * i <= k do
      local child = 2 * i
      if child < k and heap[child + 1] > heap[child] then child = child + 1 end
      if heap[child] <= h then break end
      heap[i] = heap[child]
      i = child
    end
  end
  heap[i] = h
  if heaped == k then bound = (sqrt(heap[1]) + SLACK) ^ 2 end
end

local unpack_position = struct.unpack
local function look_at(members, total)
  for i = 1, total do
    local to_lat, to_lon, seen = unpack_position('<ddd', members[i])
    if seen >= min_seen then
      local a, b = sin((lat - to_lat * radian) / 2), sin((to_lon * radian - lon) / 2)
      local h = a * a + cos_lat * cos(to_lat * radian) * b * b
      if h <= bound then
        found = found + 1
        near[found], hs[found] = members[i], h
        keep(h)
      end
    end
  end
end

local function answer()
  local members, n = {}, 0
  for i = 1, found do
    if hs[i] <= bound then
      n = n + 1
      members[n] = near[i]
    end
  end
  return members
end

local wanted = k + 2 * sqrt(k) + 2  -- as many on average leave hardly a chance of fewer than k
local enough = math.floor(5 * wanted)

-- Everybody within an angle, read by Redis' own GEOSEARCH: it leaves less to do here than intervals,
-- which hold twice as many. Nil where its map is not ours, or when they are more than enough, and
-- among many drivers: it goes through all in the cells that it opens, also beside a rectangle that is
-- almost empty, and 16,384 take it about a millisecond.
-- It reads two bits more than our cells have, and so takes everybody to be where both coordinates,
-- counted from the south-western corner of its map, are half of ours (`there`). That map ends at
-- 85.05 degrees, and a rectangle on it is measured along parallels: so where the widest one is, and
-- with 0.1 % and 3 m on each side for the rounding of places, which is less than a cell.
local many = redis.call('ZCARD', KEYS[1]) > 16384
local function within(angle)
  if many or angle < 0 or angle > 0.02 or math.abs(lat) > 1 then return nil end
  local width = math.asin(sin(angle) / cos_lat)
  if math.abs(lon) + width > 3.1 then return nil end
  local scale = MAP / pi
  local there = (lat + pi / 2) * scale - MAP
  local widest = cos(math.min(there + angle * scale, 0))
  local drivers = redis.call('GEOSEARCH', KEYS[1], 'FROMLONLAT', (lon - pi) / 2 / radian, there / radian,
    'BYBOX', 4 * MAP_EARTH_M * math.asin(widest * sin(width / 4)) * 1.001 + 6,
    2 * MAP_EARTH_M * angle * scale * 1.001 + 6, 'm', 'COUNT', enough + 1, 'ANY')
  if #drivers > enough then return nil end
  return drivers, #drivers
end

-- 1. Where one count says that few are in reach, all within the radius are read.
local boxes = edges(radius)
if #boxes == 1 and not many then
  local b = boxes[1]
  local total = redis.call('ZCOUNT', KEYS[1], low(b), high(b))
  if total == 0 then return {} end
  if total * cells(b) <= enough * (high(b) - low(b) + 1) then
    local drivers, few = within(radius)
    if drivers then
      start(radius)
      look_at(drivers, few)
      return answer()
    end
  end
end

boxes = tight(boxes)
local total, in_circle = count(boxes)
if total == 0 then return {} end

-- 2. Look as far as k should be if drivers are spread evenly, or at all of them if they are few.
-- Whoever finds k within an angle has the nearest k. Each try learns from the one before.
local angle, too_near, too_far = radius, 0, radius
for _ = 1, 5 do
  if total <= enough then
    if angle == radius or total >= k then
      start(angle)
      local drivers, few = within(angle)
      if not drivers then drivers, few = read(boxes) end
      look_at(drivers, few)
      if angle == radius or heaped == k then return answer() end
      in_circle = found
    end
    too_near = angle
  else
    too_far = angle
  end
  angle = angle * sqrt(wanted / max(in_circle, 1))
  if angle <= too_near or angle >= too_far then angle = (too_near + too_far) / 2 end
  boxes = tight(edges(angle + SLACK))
  total, in_circle = count(boxes)
end

-- 3. They are spread too unevenly for that: open boxes in the order of the least distance that
-- anybody in them can have, halve crowded ones, and stop when no unopened box can hold anybody
-- nearer than the k-th found.
local sin_lat = sin(lat)
local function haversine(to_lat, dlon)
  local a, b = sin((lat - to_lat) / 2), sin(dlon / 2)
  return a * a + cos_lat * cos(to_lat) * b * b
end

local function least(b)
  local south = b[SOUTH] / AXIS * pi - pi / 2 - SLACK
  local north = (b[NORTH] + 1) / AXIS * pi - pi / 2 + SLACK
  local dlon = math.abs(lon + pi - (b[WEST] + b[EAST] + 1) / AXIS * pi)  -- to the middle of the box
  if dlon > pi then dlon = 2 * pi - dlon end
  dlon = dlon - (b[EAST] - b[WEST] + 1) / AXIS * pi - SLACK
  if dlon <= 0 then  -- on one of its meridians
    if lat < south then return haversine(south, 0) end
    if lat > north then return haversine(north, 0) end
    return 0
  end
  -- Beside it the nearest point is on the nearer of its two edges, since along a parallel distance
  -- grows with the difference of longitude. Along that edge the cosine of the distance is a cosine
  -- of the latitude around `foot`: so it is the foot if that is on the edge, and an end otherwise.
  local foot = math.atan2(sin_lat, cos_lat * cos(dlon))
  if foot > south and foot < north then
    local s = cos_lat * sin(dlon)
    return s * s / (2 * (1 + sqrt(max(0, 1 - s * s))))
  end
  return math.min(haversine(south, dlon), haversine(north, dlon))
end

start(radius)
local most = max(16, k)
local size, unopened, closest = 0, {}, {}
local function push(b)
  local h = least(b)
  if h <= bound then
    size = size + 1
    unopened[size], closest[size] = b, h
  end
end

local function nearest_box()
  local best, at = bound, 0
  for i = 1, size do
    if closest[i] <= best then best, at = closest[i], i end
  end
  if at == 0 then return nil end
  local b = unopened[at]
  unopened[at], closest[at] = unopened[size], closest[size]
  size = size - 1
  return b
end

boxes = tight(edges(radius))
for i = 1, #boxes do push(boxes[i]) end
local waiting, count_waiting = {}, 0
while true do
  local b = nearest_box()
  if b then
    local limit = cells(b) > 1 and most + 1 or -1  -- the smallest cell cannot be halved
    local some = redis.call('ZRANGEBYSCORE', KEYS[1], low(b), high(b), 'LIMIT', 0, limit)
    if #some == limit then
      local one, other = halves(b)
      push(one)
      push(other)
    else
      for i = 1, #some do waiting[count_waiting + i] = some[i] end
      count_waiting = count_waiting + #some
    end
  end
  -- Before there may be k of them, their positions could not rule out anything.
  if count_waiting > 0 and (not b or found + count_waiting >= k) then
    look_at(waiting, count_waiting)
    count_waiting = 0
  end
  if not b then return answer() end
end
