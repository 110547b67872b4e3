"""What a forked process of the lab can be: its role says which."""

from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from workers.crashlab.pairs.roles import ExchangeRole, PairRole
from workers.crashlab.role import Role

Job = Role | PairRole | ExchangeRole
JOB: Final[TypeAdapter[Job]] = TypeAdapter(Annotated[Job, Field(discriminator="job")])
