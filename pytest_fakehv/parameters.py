"""The ready-made parameter checks, for the ``PARAMETERS`` of a hypervisor class of your own."""

from pytest_fakehv.interface.parameters import MIGRATION_MODE_CHECK as MIGRATION_MODE_CHECK
from pytest_fakehv.interface.parameters import NO_CHECK as NO_CHECK
from pytest_fakehv.interface.parameters import OPT_CPU_MASK_CHECK as OPT_CPU_MASK_CHECK
from pytest_fakehv.interface.parameters import OPT_DIR_CHECK as OPT_DIR_CHECK
from pytest_fakehv.interface.parameters import OPT_FILE_CHECK as OPT_FILE_CHECK
from pytest_fakehv.interface.parameters import OPT_FILE_OR_URL_CHECK as OPT_FILE_OR_URL_CHECK
from pytest_fakehv.interface.parameters import OPT_MULTI_CPU_MASK_CHECK as OPT_MULTI_CPU_MASK_CHECK
from pytest_fakehv.interface.parameters import OPT_NET_PORT_CHECK as OPT_NET_PORT_CHECK
from pytest_fakehv.interface.parameters import OPT_NONNEGATIVE_INT_CHECK as OPT_NONNEGATIVE_INT_CHECK
from pytest_fakehv.interface.parameters import REQ_CPU_MASK_CHECK as REQ_CPU_MASK_CHECK
from pytest_fakehv.interface.parameters import REQ_DIR_CHECK as REQ_DIR_CHECK
from pytest_fakehv.interface.parameters import REQ_FILE_CHECK as REQ_FILE_CHECK
from pytest_fakehv.interface.parameters import REQ_FILE_OR_URL_CHECK as REQ_FILE_OR_URL_CHECK
from pytest_fakehv.interface.parameters import REQ_MULTI_CPU_MASK_CHECK as REQ_MULTI_CPU_MASK_CHECK
from pytest_fakehv.interface.parameters import REQ_NET_PORT_CHECK as REQ_NET_PORT_CHECK
from pytest_fakehv.interface.parameters import REQ_NONNEGATIVE_INT_CHECK as REQ_NONNEGATIVE_INT_CHECK
from pytest_fakehv.interface.parameters import REQUIRED_CHECK as REQUIRED_CHECK
from pytest_fakehv.interface.parameters import ParameterCheck as ParameterCheck
from pytest_fakehv.interface.parameters import Parameters as Parameters
from pytest_fakehv.interface.parameters import ParamInSet as ParamInSet
