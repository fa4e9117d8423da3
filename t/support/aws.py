"""AWS for tests that have none: an emulator, and the AWS CLI without the second that each start of it takes.

aws.py emulator PORT     moto on 127.0.0.1, with the public parameter of Debian's image, which it does not know, and with
                         what a role may do as its policies say (iam.py)
aws.py cli SOCKET ENDPOINT   the AWS CLI, imported once, its clients of the endpoint made once; each call that
                         comes in by SOCKET is served by a fork
aws.py inventory ENDPOINT    what there is in the account, lines "KIND NAME"
aws.py call ARGUMENT...  a call of the latter, as `aws ARGUMENT...` would be: what a test has as `aws` in PATH

For `call` the environment has AWS_TEST_SOCKET, AWS_TEST_LOG (each call's arguments are added to it, a line of JSON
each), and may have AWS_TEST_FAIL=WHICH:HOW:WHAT to disturb a call: the WHICHth of the log that changes something or,
when that is no number, the first of that operation. `error`: it fails with the code and message WHAT and is not done; `lost`: it is done, but the process whose number is in the file WHAT is killed
before it hears of it.
"""
import fcntl
import json
import os
import signal
import socket
import sys


def end_with_parent():
    import ctypes
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: a test may be killed


def emulator(port):
    end_with_parent()
    from iam import Guard
    from moto.ec2.models.iam_instance_profile import IamInstanceProfileAssociationBackend
    from moto.server import main
    from moto.ssm import models

    Guard().install()

    class ParameterDict(models.ParameterDict):
        def _load_latest_amis(self):
            super()._load_latest_amis()
            image = dict.__getitem__(self, "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64")[0]
            name = "/aws/service/debian/release/12/latest/amd64"
            self[name] = [models.Parameter(image.account_id, name, image.value, "String", None, None, None,
                                           image.last_modified_date, 1, "aws:ec2:image")]

        def _check_loading_status(self, key):
            if str(key).startswith("/aws/service/debian"):
                key = "/aws/service/ami-amazon-linux-latest"
            super()._check_loading_status(key)

    replace = IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association

    def replace_and_show(backend, *arguments):  # moto forgets the instance
        association = replace(backend, *arguments)
        backend.modify_instance_attribute(association.instance_id, "iam_instance_profile", {
            "Arn": association.iam_instance_profile.arn, "Id": association.association_id})
        return association

    IamInstanceProfileAssociationBackend.replace_iam_instance_profile_association = replace_and_show
    models.ParameterDict = ParameterDict
    main(["-H", os.environ.get("AWS_TEST_ADDRESS", "127.0.0.1"), "-p", port])


def inventory(endpoint):
    import boto3

    def ask(service, operation, path, **arguments):
        client = boto3.client(service, "eu-west-1", endpoint_url=endpoint, aws_access_key_id="none", aws_secret_access_key="none")
        answer = client.get_paginator(operation).paginate(**arguments) if client.can_paginate(operation) else [
            getattr(client, operation)(**arguments)]
        for page in answer:
            for thing in page[path]:
                yield thing

    def live(name, states):
        return {"Filters": [{"Name": name, "Values": states}]}

    own = [{"Name": "tag-key", "Values": ["hashmill:stack"]}]
    for reservation in ask("ec2", "describe_instances", "Reservations",
                           **live("instance-state-name", ["pending", "running", "shutting-down", "stopping", "stopped"])):
        for instance in reservation["Instances"]:
            print("instance", instance["InstanceId"])
    for kind, operation, path, key, arguments in (
            ("volume", "describe_volumes", "Volumes", "VolumeId", {}),
            ("group", "describe_security_groups", "SecurityGroups", "GroupName", {}),
            ("interface", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId", {}),
            ("address", "describe_addresses", "Addresses", "AllocationId", {}),
            ("key", "describe_key_pairs", "KeyPairs", "KeyName", {}),
            ("spot", "describe_spot_instance_requests", "SpotInstanceRequests", "SpotInstanceRequestId", live("state", ["open", "active"])),
            ("snapshot", "describe_snapshots", "Snapshots", "SnapshotId", {"Filters": own}),
            ("template", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateId", {})):
        for thing in ask("ec2", operation, path, **arguments):
            print(kind, thing[key])
    for kind, operation, path, key in (("role", "list_roles", "Roles", "RoleName"),
                                       ("profile", "list_instance_profiles", "InstanceProfiles", "InstanceProfileName")):
        for thing in ask("iam", operation, path):
            print(kind, thing[key])
    for thing in ask("s3", "list_buckets", "Buckets"):
        print("bucket", thing["Name"])
    for thing in ask("ssm", "describe_parameters", "Parameters"):
        if not thing["Name"].startswith("/aws/"):
            print("parameter", thing["Name"])
    for thing in ask("resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", TagFilters=[{"Key": "hashmill:stack"}]):
        if ":instance/" not in thing["ResourceARN"]:  # terminated ones are shown for an hour
            print("tagged", thing["ResourceARN"])


def become(driver, clients):
    """Has calls made with the credentials of the environment, when they are others than at the start."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    if os.environ.get("AWS_SESSION_TOKEN"):
        clients.clear()
        driver.session.set_credentials(*(os.environ[name] for name in names))


def serve_call(driver, clients, connection):
    message, fds, _, _ = socket.recv_fds(connection, 1 << 20, 8)
    if not message:
        return
    call = json.loads(message)
    child = os.fork()
    if child == 0:
        code = 255
        try:
            high = [fcntl.fcntl(fd, fcntl.F_DUPFD, 200) for fd in fds]
            for fd, number in zip(high, call["fds"]):
                os.dup2(fd, number)
            os.environ.clear()
            os.environ.update(call["environment"])
            become(driver, clients)
            os.chdir(call["directory"])
            sys.argv = ["aws", *call["arguments"]]
            code = driver.main(call["arguments"])
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code or 0)
    for fd in fds:
        os.close(fd)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    connection.sendall(str(code).encode())


def cli(path, endpoint):
    end_with_parent()
    from awscli.clidriver import create_clidriver
    driver = create_clidriver()
    create = driver.session.create_client
    clients = {}

    def create_once(service, region_name=None, endpoint_url=None, **more):
        if (service, region_name, endpoint_url) not in clients:
            clients[service, region_name, endpoint_url] = create(service, region_name=region_name, endpoint_url=endpoint_url, **more)
        return clients[service, region_name, endpoint_url]

    driver.session.create_client = create_once
    for service in ("ec2", "iam", "s3", "ssm", "sts"):
        create_once(service, "eu-west-1", endpoint)
    driver._get_command_table()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(path)
    server.listen(64)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        connection, _ = server.accept()
        if os.fork() == 0:  # calls go on side by side
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            serve_call(driver, clients, connection)
            os._exit(0)
        connection.close()


def is_change(arguments):
    return not any(a == "wait" or a.startswith(("describe-", "get-", "list-", "head-")) for a in arguments)


def call(arguments):
    with open(os.environ["AWS_TEST_LOG"], "a+") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        log.seek(0)
        before = [json.loads(line) for line in log]
        log.write(json.dumps(arguments) + "\n")
    which, how, what = os.environ.get("AWS_TEST_FAIL", "0:error:none").split(":", 2)
    if which.isdigit():
        disturbed = is_change(arguments) and sum(map(is_change, before)) + 1 == int(which)
    else:
        disturbed = which in arguments and not any(which in earlier for earlier in before)
    if disturbed and how == "error":
        code, _, message = what.partition(" ")
        sys.stderr.write("\nAn error occurred (%s) when calling the operation: %s\n" % (code, message or "it was disturbed"))
        sys.exit(254)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.connect(os.environ["AWS_TEST_SOCKET"])
    fds = [0, 1, 2, *(int(a.rsplit("/")[-1]) for a in arguments if a.startswith("file:///dev/fd/"))]
    message = {"arguments": arguments, "directory": os.getcwd(), "environment": dict(os.environ), "fds": fds}
    socket.send_fds(server, [json.dumps(message).encode()], fds)
    code = int(server.recv(16) or b"255")
    if disturbed and how == "lost":
        with open(what) as file:
            os.kill(int(file.read()), signal.SIGKILL)
    sys.exit(code)


if __name__ == "__main__":
    {"emulator": emulator, "cli": cli, "inventory": inventory, "call": lambda *a: call(list(a))}[sys.argv[1]](*sys.argv[2:])
