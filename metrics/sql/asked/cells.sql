-- The windows and groups that a metric answers for.

-- What a metric answers for: each window of each group, numbered window by window.
-- A group's name is null where a question asks for no groups, and for what belongs to none.
create or replace macro asked_cells(windows, group_names) as table
select
    asked_windows.window_index * len(group_names) + asked_groups.group_index as cell_index,
    asked_windows.from_at,
    asked_windows.to_at,
    asked_groups.group_name
from (select unnest(windows, recursive := true)) as asked_windows
cross join (
    select
        unnest(group_names) as group_name,
        generate_subscripts(group_names, 1) - 1 as group_index
) as asked_groups;

-- The days of a time zone, each a half-open span of instants; `week` is its ISO week's Monday.
create or replace macro days_of(local_days) as table
select
    (local_days['first_day'] + place::integer)::date as day,
    date_trunc('week', (local_days['first_day'] + place::integer)::date)::date as week,
    local_days['midnights'][place + 1] as starts_at,
    local_days['midnights'][place + 2] as ends_at
from (select unnest(range(len(local_days['midnights']) - 1)) as place);

-- Whether something happened in the window.
create or replace macro is_within(question, happened_at) as (
    happened_at >= question['from_at'] and happened_at < question['to_at']
);

-- Whether something is of a cell: it happened in the window, which is half-open, and belongs to the group.
create or replace macro is_in_cell(cell, happened_at, group_name) as (
    happened_at >= cell['from_at']
    and happened_at < cell['to_at']
    and group_name is not distinct from cell['group_name']
);
