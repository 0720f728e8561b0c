-- Whether an incident can be a deployment's doing: of any, whatever its status.
create or replace macro may_be_blamed(succeeded) as true;
