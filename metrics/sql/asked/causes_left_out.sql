-- The incidents and remediations of the window that make no deployment of the answer a failed one, and why.
create or replace macro causes_left_out(question) as table
select * from causes_judged(question)
where reason is not null;
