-- mean_time_to_recover, row by row: what recovered, with `seconds` and the causes; what is open; what is left out.
select * from recoveries_explained($question::question)
