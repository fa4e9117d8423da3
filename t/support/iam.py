"""What AWS decides of a request by the policies of a role: for the emulator of AWS (aws.py), which by itself lets anybody
do anything. Who comes with credentials of a role (AssumeRole) may do what the role's policies permit; other credentials
stand for a person who may do everything.

As in AWS, a call is permitted when each action on each resource that it touches is, and an explicit Deny wins. Resources
and condition keys of ec2:RunInstances are as in the Service Authorization Reference, of those that policies here name.
An operator that is not known here is an error, not a guess.
"""
import json
import re


def matches(pattern, text):
    return re.fullmatch(".*".join(".".join(map(re.escape, part.split("?"))) for part in pattern.split("*")), text, re.S) is not None


OPERATORS = {
    "StringEquals": lambda wanted, value: wanted == value,
    "StringLike": matches,
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda wanted, value: wanted.lower() == value.lower(),
    "NumericEquals": lambda wanted, value: float(wanted) == float(value),
}


def several(value):
    return value if isinstance(value, list) else [value]


def holds(condition, context):
    """Whether all keys of a statement's condition are met; one that the request does not have is not."""
    context = {key.lower(): value for key, value in context.items()}
    for operator, keys in condition.items():
        for_all, _, name = operator.rpartition(":")
        if for_all not in ("", "ForAllValues"):
            raise ValueError("%s is not known here" % operator)
        for key, wanted in keys.items():
            values = several(context.get(key.lower(), []))
            good = [any(OPERATORS[name](w, value) for w in several(wanted)) for value in values]
            if not (all(good) if for_all else any(good)):
                return False
    return True


def permits(policies, action, resource, context):
    """Whether policies, decoded from JSON, permit an action on a resource."""
    permitted = False
    for policy in policies:
        for statement in several(policy["Statement"]):
            if (any(matches(a.lower(), action.lower()) for a in several(statement["Action"]))
                    and any(matches(r, resource) for r in several(statement["Resource"])) and holds(statement.get("Condition", {}), context)):
                if statement["Effect"] == "Deny":
                    return False
                permitted = True
    return permitted


def tags_of(params, kind):
    """The tags that a call gives to new resources of a kind, as keys of a context."""
    tags = {tag["Key"]: tag.get("Value", "") for spec in params.get("TagSpecifications", []) if spec["ResourceType"] == kind
            for tag in spec.get("Tags", [])}
    return {**{"aws:RequestTag/" + key: value for key, value in tags.items()}, **({"aws:TagKeys": list(tags)} if tags else {})}


def with_template(asked, template):
    """The parameters of RunInstances: those asked for, else the launch template's."""
    data = template.data if template else {}
    return {**{key: value for key, value in data.items() if key != "TagSpecifications" and value is not None}, **asked}


def launch(asked, template, arn):
    """What RunInstances touches: (action, resource, context) each. arn(KIND, ID) makes the name of a resource."""
    params = with_template(asked, template)
    launched_by = {"ec2:LaunchTemplate": arn("launch-template", template.template.id)} if template else {}

    def touched(kind, name, key=None, **context):
        of_template = template is not None and (key is None or key not in asked)
        new = tags_of(asked, kind) if name == "*" else {}
        return ("ec2:RunInstances", arn(kind, name), {**launched_by, "ec2:IsLaunchTemplateResource": str(of_template), **new,
                                                      **{"ec2:" + key: str(value) for key, value in context.items()}})

    metadata = params.get("MetadataOptions", {})
    spot = params.get("InstanceMarketOptions", {}).get("MarketType") == "spot"
    yield touched("instance", "*", InstanceType=params.get("InstanceType", "m1.small"), MetadataHttpTokens=metadata.get("HttpTokens", "optional"),
                  MetadataHttpPutResponseHopLimit=metadata.get("HttpPutResponseHopLimit", 1),
                  InstanceMarketType="spot" if spot else "on-demand")
    yield touched("image", params["ImageId"], "ImageId")
    if template:
        yield touched("launch-template", template.template.id)
    for mapping in params.get("BlockDeviceMappings", [{}]):
        disk = mapping.get("Ebs", {})
        yield touched("volume", "*", "BlockDeviceMappings", Encrypted=disk.get("Encrypted", False), VolumeSize=disk.get("VolumeSize", 8))
        if "SnapshotId" in disk:
            yield touched("snapshot", disk["SnapshotId"], "BlockDeviceMappings")
    by_interface = params.get("NetworkInterfaces", [])
    for interface in by_interface or [{}]:
        key = "NetworkInterfaces"
        yield touched("network-interface", interface.get("NetworkInterfaceId", "*"), key if by_interface else "SubnetId")
        if "NetworkInterfaceId" not in interface:
            yield touched("subnet", interface.get("SubnetId") or params.get("SubnetId", "subnet-default"), key if by_interface else "SubnetId")
            for group in interface.get("Groups") or params.get("SecurityGroupIds") or ["sg-default"]:
                yield touched("security-group", group, key if by_interface else "SecurityGroupIds")
    if "KeyName" in params:
        yield touched("key-pair", params["KeyName"], "KeyName")
    if spot:
        yield ("ec2:RunInstances", arn("spot-instances-request", "*"), tags_of(asked, "spot-instances-request"))
    for kind in {spec["ResourceType"] for spec in asked.get("TagSpecifications", [])}:
        yield ("ec2:CreateTags", arn(kind, "*"), {"ec2:CreateAction": "RunInstances", **tags_of(asked, kind)})


class Guard:
    """Asks the policies before moto does what a call says."""

    def __init__(self):
        from moto.core.exceptions import ServiceException
        self.refusal = ServiceException

    def policies(self, response):
        """The policies of the role that makes a call; None for somebody who may do everything."""
        from moto.iam.models import iam_backends
        from moto.sts.models import sts_backends
        key = re.search("Credential=([^/]+)/", response.headers.get("Authorization", ""))
        role = key and sts_backends[response.current_account]["aws"].get_assumed_role_from_access_key(key[1])
        if not role:
            return None
        iam = iam_backends[response.current_account]["aws"]
        name = role.role_arn.rpartition("/")[2]
        documents = [iam.get_role_policy(name, policy)[1] for policy in iam.list_role_policies(name)]
        return [json.loads(document) for document in documents]

    def touched(self, response, service, action):
        """What a call to a service other than S3 touches."""
        params = response.params if service == "ec2" else {}

        def arn(kind, name):
            return "arn:aws:%s:%s:%s:%s/%s" % (service, response.region, "" if kind == "image" else response.current_account, kind, name)

        if action == "RunInstances":
            asked = params.get("LaunchTemplate")
            template = response.ec2_backend._get_template_from_args(asked) if asked else None
            yield from launch({key: value for key, value in params.items() if key != "LaunchTemplate"}, template, arn)
            profile = with_template(params, template).get("IamInstanceProfile", {})
            if profile:
                yield ("iam:PassRole", self.role_of(response, profile), {"iam:PassedToService": "ec2.amazonaws.com"})
        elif service == "ec2" and params.get("InstanceIds"):
            for name in params["InstanceIds"]:
                tags = response.ec2_backend.get_instance(name).get_tags()
                yield ("ec2:" + action, arn("instance", name), {"aws:ResourceTag/" + tag["key"]: tag["value"] for tag in tags})
        elif service == "ssm":
            names = [response._get_param("Path"), response._get_param("Name"), *(response._get_param("Names") or [])]
            for name in filter(None, names):
                yield ("ssm:" + action, arn("parameter", name.strip("/")), {})
        else:
            yield ("%s:%s" % (service, action), "*", {})

    def role_of(self, response, profile):
        from moto.iam.models import iam_backends
        iam = iam_backends[response.current_account]["aws"]
        return iam.get_instance_profile(profile.get("Name") or profile["Arn"].rpartition("/")[2]).roles[0].arn

    def check(self, response, service, action):
        policies = self.policies(response)
        if policies is None or (service, action) == ("sts", "GetCallerIdentity"):
            return
        for what, resource, context in self.touched(response, service, action):
            if not permits(policies, what, resource, context):
                code = "UnauthorizedOperation" if service == "ec2" else "AccessDeniedException"
                # moto says it in the form of the service whose module it comes from.
                refusal = type("Refusal", (self.refusal,), {"__module__": "moto.%s.exceptions" % service})
                raise refusal(code, "You are not authorized to perform: %s on resource: %s" % (what, resource))

    def check_s3(self, response, bucket, key):
        """The same for S3; and a bucket of another account than the one that is expected is refused."""
        from moto.s3.exceptions import BucketAccessDeniedError
        policies = self.policies(response)
        resource = "arn:aws:s3:::" + "/".join(filter(None, (bucket, key)))
        owner = response.headers.get("x-amz-expected-bucket-owner", response.current_account)
        if owner != response.current_account or policies is not None and not permits(policies, "s3:" + response._get_action(), resource, {}):
            raise BucketAccessDeniedError(bucket=bucket)

    def install(self):
        """Has moto ask, and use what a launch template says that it leaves out by itself."""
        from moto.core.responses import ActionResult, BaseResponse
        from moto.ec2.responses.instances import InstanceResponse
        from moto.s3.responses import S3Response
        call_action, run_instances, guard = BaseResponse.call_action, InstanceResponse.run_instances, self

        def guarded(response):
            try:
                guard.check(response, response.boto3_service_name, response._get_action())
            except self.refusal as refusal:
                return response.serialized(ActionResult(refusal))
            return call_action(response)

        def run_by_template(response):
            asked = response.params.get("LaunchTemplate")
            if asked:
                response.params = with_template(response.params, response.ec2_backend._get_template_from_args(asked))
            return run_instances(response)

        BaseResponse.call_action = guarded
        InstanceResponse.run_instances = run_by_template
        S3Response._authenticate_and_authorize_s3_action = lambda response, bucket_name=None, key_name=None: \
            guard.check_s3(response, bucket_name, key_name)
