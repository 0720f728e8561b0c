-- Whether an incident can be a deployment's doing: only of one that succeeded.
create or replace macro may_be_blamed(succeeded) as succeeded;
